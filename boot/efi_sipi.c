/* SPDX-License-Identifier: BSD-2-Clause */
/* Wakes processors by INIT and SIPI. Contract in efi_sipi.h. The trampoline is sipi.asm's.
 * SDM 3A 9.4 "Multiple-Processor (MP) Initialization" */
#include "boot/efi_sipi.h"

#include <efi.h>
#include <efilib.h>

#include "boot/insn.h"
#include "hv/core/boot_info.h"

#define MSR_APIC_BASE  0x1bu
#define MSR_X2APIC_ICR 0x830u
#define APIC_X2APIC    (1ull << 10)
#define APIC_ADDRESS   0xffffff000ull
#define ICR_LOW        0x300u
#define ICR_HIGH       0x310u
#define ICR_INIT       0x4500u
#define ICR_SIPI       0x4600u
#define ICR_BUSY       (1u << 12)
#define BELOW_1_MIB    0x9ffffull
#define STACK_PAGES    8u
#define INIT_WAIT      10000u /* microseconds, as the SDM's example waits */
#define SIPI_WAIT      200u
#define CALL_STEP      100u
#define CALL_STEPS     50000u

/* The words at the end of the trampoline, which sipi.asm knows by their place. */
struct PACKED words {
    u16 gdt_limit;
    u32 gdt_base;
    u16 pad0;
    u32 to32;
    u16 cs32, pad1;
    u32 to64;
    u16 cs64, pad2;
    u64 cr3, cr4, stack, f, arg, cs, ss;
    u64 gdt[4];
    struct handoff_dtr gdtr, idtr; /* this processor's */
    u32 state;                     /* 1: started, 2: f has ended */
};

extern const u8 sipi_start[], sipi_words[], sipi_end[];
static EFI_PHYSICAL_ADDRESS page, stack;

static void send(u32 apic_id, u32 command)
{
    u64 base = rdmsr(MSR_APIC_BASE);
    if (base & APIC_X2APIC) {
        wrmsr(MSR_X2APIC_ICR, (u64)apic_id << 32 | command);
        return;
    }
    volatile u32 *low = (volatile u32 *)((base & APIC_ADDRESS) + ICR_LOW);
    volatile u32 *high = (volatile u32 *)((base & APIC_ADDRESS) + ICR_HIGH);
    *high = apic_id << 24;
    *low = command;
    for (u32 i = 0; i < CALL_STEPS && (*low & ICR_BUSY); i++)
        __builtin_ia32_pause();
}

/* The page stays reserved for good: processors halt in it, and go on there when an NMI wakes them.
 * */
static bool take_pages(void)
{
    EFI_PHYSICAL_ADDRESS at = BELOW_1_MIB;
    if (page)
        return true;
    if (EFI_ERROR(uefi_call_wrapper(BS->AllocatePages, 4, AllocateMaxAddress, EfiReservedMemoryType,
                                    1, &at)) ||
        EFI_ERROR(uefi_call_wrapper(BS->AllocatePages, 4, AllocateAnyPages, EfiReservedMemoryType,
                                    STACK_PAGES, &stack)))
        return false;
    page = at;
    return true;
}

static struct words *fill(void (*f)(void *arg), void *arg)
{
    CopyMem((void *)page, sipi_start, (UINTN)(sipi_end - sipi_start));
    struct words *w = (struct words *)(page + (UINTN)(sipi_words - sipi_start));
    w->gdt_base += (u32)page;
    w->to32 += (u32)page;
    w->to64 += (u32)page;
    __asm__ volatile("mov %%cr3, %0" : "=r"(w->cr3));
    __asm__ volatile("mov %%cr4, %0" : "=r"(w->cr4));
    __asm__ volatile("sgdt %0\n sidt %1" : "=m"(w->gdtr), "=m"(w->idtr));
    w->stack = stack + STACK_PAGES * 4096;
    __asm__ volatile("mov %%cs, %0\n mov %%ss, %1" : "=r"(w->cs), "=r"(w->ss));
    w->f = (u64)f;
    w->arg = (u64)arg;
    return w;
}

static bool reached(const volatile struct words *w, u32 state, u32 steps)
{
    for (u32 i = 0; i < steps && w->state < state; i++)
        uefi_call_wrapper(BS->Stall, 1, CALL_STEP);
    return w->state >= state;
}

const char *sipi_call(u32 apic_id, void (*f)(void *arg), void *arg)
{
    if (!take_pages())
        return "no page below 1 MiB to start it in";
    struct words *w = fill(f, arg);
    if (w->cr3 >> 32)
        return "it cannot be started: the page tables are above 4 GiB";
    send(apic_id, ICR_INIT);
    uefi_call_wrapper(BS->Stall, 1, INIT_WAIT);
    for (u32 i = 0; i < 2 && !w->state; i++) {
        send(apic_id, ICR_SIPI | (u32)(page >> 12));
        (void)reached(w, 1, SIPI_WAIT / CALL_STEP);
    }
    if (!reached(w, 1, CALL_STEPS))
        return "it does not answer INIT and SIPI";
    return reached(w, 2, CALL_STEPS) ? NULL : "it did not answer in time";
}
