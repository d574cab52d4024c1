/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest L1: VMXON, a VMCS, VMLAUNCH of a guest that executes CPUID, and the exit that
 * follows. `make run EFI=build/first_exit.efi` runs it under Nidus, RUN_BARE=1 with it on the bare
 * machine. Each broken_*.c is this program with one mistake.
 */
#include <efi.h>
#include <efilib.h>
#include <stdint.h>

#ifndef MISTAKE /* what a program that includes this one does behind the last VMWRITE */
#define MISTAKE
#endif
#ifndef MORE /* and behind the first exit */
#define MORE
#endif

/* Executes a VMX instruction. True when it failed. */
#define VMX(INSN, ...)                                                  \
    ({                                                                  \
        uint8_t cf, zf;                                                 \
        __asm__ volatile(INSN "; setc %0; setz %1"                      \
                         : "=&r"(cf), "=&r"(zf)                         \
                         : __VA_ARGS__                                  \
                         : "rax", "rbx", "rcx", "rdx", "cc", "memory"); \
        cf | zf;                                                        \
    })
#define READ(INSN)                                        \
    ({                                                    \
        uint64_t v;                                       \
        __asm__ volatile("mov %%" INSN ", %0" : "=r"(v)); \
        v;                                                \
    })

static uint32_t vmxon_page[1024] __attribute__((aligned(4096)));
static uint32_t vmcs_page[1024] __attribute__((aligned(4096)));
static uint8_t tss[104], guest_stack[4096];
static int failures;
static struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
} gdt, idt;

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

/* A control field: what is wanted, with the bits that the capability MSR demands and allows. */
static uint64_t allowed(uint32_t msr, uint32_t wanted)
{
    return (wanted | (uint32_t)rdmsr(msr)) & rdmsr(msr) >> 32;
}

static void vmwrite(uint64_t field, uint64_t value)
{
    if (VMX("vmwrite %3, %2", "r"(field), "r"(value)))
        Print(L"VMWRITE of field 0x%lx failed\n", field), failures++;
}

static uint64_t vmread(uint64_t field)
{
    uint64_t value = 0;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

/* What runs as L2. It gets no further than CPUID, which always exits. */
static void guest(void)
{
    __asm__ volatile("cpuid" : : "a"(0) : "rbx", "rcx", "rdx");
}

static void fill_vmcs(void)
{
    uint64_t cr0 = READ("cr0"), cr3 = READ("cr3"), cr4 = READ("cr4");
    uint64_t cs = READ("cs"), ss = READ("ss");
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    /* clang-format off */
    const uint64_t fields[][2] = {
        /* pin and processor controls: as few as may be; exit and entry: 64 bits */
        {0x4000, allowed(0x481, 0)},      {0x4002, allowed(0x482, 0)},
        {0x400c, allowed(0x483, 1 << 9)}, {0x4012, allowed(0x484, 1 << 9)},
        /* the host: CR0, CR3, CR4; CS, SS, TR; bases of TR, GDTR, IDTR */
        {0x6c00, cr0}, {0x6c02, cr3}, {0x6c04, cr4},
        {0x0c02, cs}, {0x0c04, ss}, {0x0c0c, 8},
        {0x6c0a, (uint64_t)tss}, {0x6c0c, gdt.base}, {0x6c0e, idt.base},
        /* the guest: CR0, CR3, CR4; CS, SS, TR: selectors, limits, rights, base */
        {0x6800, cr0}, {0x6802, cr3}, {0x6804, cr4},
        {0x0802, cs}, {0x0804, ss}, {0x080e, 8},
        {0x4802, ~0u}, {0x4804, ~0u}, {0x480e, sizeof tss - 1},
        {0x4816, 0xa09b}, {0x4818, 0xc093}, {0x4822, 0x8b}, {0x6814, (uint64_t)tss},
        /* ES, DS, FS, GS, LDTR: unusable; GDTR, IDTR */
        {0x4814, 0x10000}, {0x481a, 0x10000}, {0x481c, 0x10000}, {0x481e, 0x10000},
        {0x4820, 0x10000},
        {0x6816, gdt.base}, {0x6818, idt.base}, {0x4810, gdt.limit}, {0x4812, idt.limit},
        /* DR7, RSP, RIP, RFLAGS; no VMCS link */
        {0x681a, 0x400}, {0x681c, (uint64_t)guest_stack + 4088},
        {0x681e, (uint64_t)guest}, {0x6820, 2}, {0x2800, ~0ull},
    };
    /* clang-format on */
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        vmwrite(fields[i][0], fields[i][1]);
    MISTAKE;
}

/* Enters L2. The exit comes back to the label behind VMLAUNCH, with CF and ZF clear. */
static EFI_STATUS launch(void)
{
    __asm__ volatile("cli");
    int failed = VMX("vmwrite %%rsp, %2; lea 1f(%%rip), %%rax; vmwrite %%rax, %3; vmlaunch; 1:",
                     "r"(0x6c14ull), "r"(0x6c16ull));
    __asm__ volatile("sti");
    uint64_t reason = vmread(0x4402);
    if (failed)
        Print(L"VMLAUNCH failed: VM-instruction error %ld\n", vmread(0x4400));
    else if (reason >> 31)
        Print(L"VMLAUNCH entered nothing: exit reason 0x%lx\n", reason);
    else
        Print(L"L2 ran, and exited: reason %ld, at RIP 0x%lx\n", reason, vmread(0x681e));
    return failed || reason != 10 ? EFI_ABORTED : EFI_SUCCESS; /* 10: CPUID */
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    uint64_t vmxon = (uint64_t)vmxon_page, vmcs = (uint64_t)vmcs_page, cr4 = READ("cr4");
    InitializeLib(image, st);
    *vmxon_page = *vmcs_page = (uint32_t)rdmsr(0x480); /* the revision */
    if (!(rdmsr(0x3a) & 1)) /* IA32_FEATURE_CONTROL, where the firmware left it open */
        __asm__ volatile("wrmsr" : : "c"(0x3a), "a"(5), "d"(0));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1 << 13)); /* CR4.VMXE */
    __asm__ volatile("mov %0, %%cr0" : : "r"(READ("cr0") | rdmsr(0x486)));
    if (VMX("vmxon %2", "m"(vmxon)))
        return EFI_UNSUPPORTED;
    EFI_STATUS status = EFI_DEVICE_ERROR;
    if (!VMX("vmclear %2", "m"(vmcs)) && !VMX("vmptrld %2", "m"(vmcs))) {
        fill_vmcs();
        status = failures ? EFI_ABORTED : launch();
        MORE;
    }
    __asm__ volatile("vmxoff; mov %0, %%cr4" : : "r"(cr4));
    return status;
}
