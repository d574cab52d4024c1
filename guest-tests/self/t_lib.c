/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library tests itself: formatter, exception capture, PRNG, hooks and the guard. Its lines
 * are constants on any CPU, so a fault in the rig shows here first.
 */
#include "guest-tests/lib/gt.h"

static unsigned breakpoints;

static bool count_breakpoint(struct gt_frame *f)
{
    breakpoints++;
    f->rax = 0x1234;
    return true;
}

/* Each conversion prints as it does in C. */
static void formats(void)
{
    gt_line("format: %x %08x %lx %d %u %5d|%s|%c %%", 0xabcu, 0x12u, 0x123456789abcdef0ul, -5, 7u,
            42, "text", 'c');
}

/* NOP does not fault, UD2 is #UD, and a division by zero is #DE. A non-canonical address is #GP(0),
 * and an empty descriptor #GP with its selector. SDM 3A 6.15 "Exception and Interrupt Reference" */
static void tries(void)
{
    u64 zero = 0, out = 0;

    GT_TRY("nop", : : : GT_CLOBBERS);
    gt_line("try nop: %s", gt_exc_text());
    GT_TRY("ud2", : : : GT_CLOBBERS);
    gt_line("try ud2: %s", gt_exc_text());
    GT_TRY("nop\n\tmov (%1), %0", : "=r"(out) : "r"(0x8000000000000000ul) : GT_CLOBBERS);
    gt_line("try non-canonical: %s", gt_exc_text());
    GT_TRY("xor %%edx, %%edx\n\tdivq %0", : : "r"(zero) : "rax", "rdx", GT_CLOBBERS);
    gt_line("try div: %s", gt_exc_text());
    GT_TRY("mov %0, %%rsp\n\tud2", : : "r"((u64)gt_pages(1) + 4096) : GT_CLOBBERS);
    gt_line("try ud2 on another stack: %s", gt_exc_text());
    GT_TRY("mov %w0, %%ds", : : "r"(GT_FREE) : GT_CLOBBERS);
    gt_line("try empty selector: %s", gt_exc_text());
}

/* INT3 is one #BP, a trap: the handler returns behind it. SDM 3A 6.15 "Exception and Interrupt
 * Reference" */
static void hooks(void)
{
    u64 rax = 0;

    gt_hook(3, count_breakpoint);
    __asm__ volatile("int3" : "+a"(rax) : : "memory");
    gt_hook(3, NULL);
    gt_line("hook: %u rax %lx", breakpoints, rax);
}

/* A call of the firmware succeeds, and leaves the segments of the test and a clear IF. */
static void firmware(void)
{
    EFI_PHYSICAL_ADDRESS at = 0;
    EFI_STATUS status;

    gt_firmware_enter();
    status = BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &at);
    if (status == EFI_SUCCESS)
        BS->FreePages(at, 1);
    BS->Stall(1000);
    gt_firmware_leave();
    gt_line("firmware: %lx cs %x ss %x IF %u", status, gt_read_cs(), gt_read_ss(),
            (u32)(gt_read_rflags() >> 9 & 1));
    gt_sti();
    for (volatile int i = 0; i < 300000; i++)
        ;
    gt_cli();
    gt_line("firmware ticks: ok");
}

TEST_MAIN(lib)
{
    formats();
    tries();
    hooks();
    firmware();
    gt_load_tr();
    gt_load_tr();
    gt_line("random: %lx %lx", gt_rand(), gt_rand());
}
