/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs-probe.efi: finds out how the CPU that it runs on lays a VMCS out in memory, which fields it
 * has, how it packs access rights, and what else it keeps there. Under a hypervisor it sees that
 * hypervisor's layout. It prints the table of tests/data/broadwell_vmcs_layout.csv for this CPU.
 *
 * Bad hidden state can be planted by a filled page, so no such page is launched; pass D launches
 * an ordinary one. Nothing is left behind but IA32_FEATURE_CONTROL's lock.
 */
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/probe/probe.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/arch/msr.h"

enum { SCREEN = 64 * 1024 };

static char screen[SCREEN];
static size_t screen_used;

void probe_line(const char *fmt, ...)
{
    char text[400];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = gt_format_v(text, sizeof text, fmt, ap);
    va_end(ap);
    gt_line("%s", text);
    if (screen_used + n + 3 > SCREEN)
        return;
    CopyMem(screen + screen_used, text, n);
    CopyMem(screen + screen_used + n, (void *)"\r\n", 2);
    screen_used += n + 2;
}

static void say_cpu(void)
{
    enum { MSR_MICROCODE = 0x8b };
    u64 basic = gt_rdmsr(MSR_VMX_BASIC);
    u32 low = 0, revision = 0;

    /* CPUID puts the revision of the microcode there. */
    GT_TRY("wrmsr", : : "c"(MSR_MICROCODE), "a"(0), "d"(0) : GT_CLOBBERS);
    gt_cpuid(1, 0);
    GT_TRY("rdmsr", : "=a"(low), "=d"(revision) : "c"(MSR_MICROCODE) : GT_CLOBBERS);
    probe_line("cpu: signature %x microcode %x hypervisor %u", gt_cpuid(1, 0).eax,
               gt_exc.vector == GT_NONE ? revision : 0, gt_cpuid(1, 0).ecx >> 31);
    probe_line("vmcs: revision %x bytes %u memory type %u misc %lx", (u32)basic & 0x7fffffff,
               (u32)(basic >> 32 & 0x1fff), (u32)(basic >> 50 & 15), gt_rdmsr(MSR_VMX_MISC));
}

static void body(void)
{
    vmx_begin();
    if (vmx_on()) {
        say_cpu();
        probe_list();
        probe_walk();
        probe_filled();
        probe_say();
        probe_hidden();
    }
    vmx_end();
}

static void to_console(void)
{
    CHAR16 wide[128];
    size_t at = 0;

    while (at < screen_used) {
        size_t n = 0;

        while (at < screen_used && n < 127)
            wide[n++] = (CHAR16)screen[at++];
        wide[n] = 0;
        ST->ConOut->OutputString(ST->ConOut, wide);
    }
}

/* A program can enter VMX operation: it is there, and not switched off. */
static bool vmx_is_usable(void)
{
    if (!(gt_cpuid(1, 0).ecx & CPUID1_ECX_VMX))
        return false;
    return (gt_rdmsr(MSR_IA32_FEATURE_CONTROL) & FEATURE_CONTROL_ALLOW_VMX) !=
           FEATURE_CONTROL_LOCKED;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_STATUS s;

    InitializeLib(image, st);
    if (!vmx_is_usable()) {
        Print(L"vmcs-probe: no VMX here, or it is switched off in the BIOS setup\r\n");
        return EFI_UNSUPPORTED;
    }
    s = gt_run(image, st, "vmcs_probe", body);
    if (EFI_ERROR(s))
        return s;
    if (!gt_sink_find())
        to_console();
    return EFI_SUCCESS;
}
