/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bracket around a test: firmware state saved, own tables in, body, everything back.
 * Also what a body needs from the firmware beforehand: memory and its own command line.
 */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_mp.h"
#include "guest-tests/lib/gt_private.h"
#include "hv/arch/cpuid_bits.h"

enum { POOL_PAGES = 4096, LOW_PAGES = 48, MSR_EFER = 0xc0000080 };

struct pool {
    u64 base, next, end;
};

struct cpu_state {
    u64 cr0, cr3, cr4, cr8, efer, dr7, rflags;
};

const char *gt_name;
unsigned gt_lines;
EFI_HANDLE gt_image;
static struct pool high_pool, low_pool;
static struct cpu_state firmware_state, test_state;
static u64 rand_state;
static char args[512];
static bool on_stick;

/* SetMem takes five instructions a byte, and the pool has 16 MiB in every test of every boot. */
void gt_zero_pages(void *at, size_t pages)
{
    size_t words = pages * 512;

    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(0ul) : "memory");
}

static bool pool_open(struct pool *p, u64 max, size_t pages)
{
    EFI_PHYSICAL_ADDRESS at = max;

    if (BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &at) != EFI_SUCCESS)
        return false;
    gt_zero_pages((void *)at, pages);
    *p = (struct pool){at, at, at + pages * 4096};
    return true;
}

static void pool_close(struct pool *p)
{
    if (p->base != 0)
        BS->FreePages(p->base, (p->end - p->base) / 4096);
    p->base = 0;
}

static void *pool_take(struct pool *p, size_t count, u64 align)
{
    u64 at = (p->next + align - 1) & ~(align - 1);

    if (at + count * 4096 > p->end) {
        gt_fail("memory: the pool is empty");
        gt_stop();
    }
    p->next = at + count * 4096;
    return (void *)at;
}

void *gt_pages(size_t count)
{
    return pool_take(&high_pool, count, 4096);
}

void *gt_pages_aligned(size_t count, u64 align)
{
    return pool_take(&high_pool, count, align);
}

void *gt_low_pages(size_t count)
{
    return pool_take(&low_pool, count, 4096);
}

void gt_seed(u64 seed)
{
    rand_state = seed ? seed : 1;
}

u64 gt_rand(void)
{
    rand_state ^= rand_state >> 12;
    rand_state ^= rand_state << 25;
    rand_state ^= rand_state >> 27;
    return rand_state * 0x2545f4914f6cdd1dull;
}

bool gt_on_stick(void)
{
    return on_stick;
}

bool gt_under_nidus(void)
{
    struct gt_cpuid r = gt_cpuid(LEAF_NIDUS, 0);

    return r.ebx == NIDUS_EBX && r.ecx == NIDUS_ECX && r.edx == NIDUS_EDX;
}

/* The shell passes "program arguments", a boot entry only arguments: a leading *.efi is
 * dropped. */
static void read_args(void)
{
    EFI_LOADED_IMAGE *li = NULL;
    const CHAR16 *text;
    size_t n = 0, count, start = 0;

    BS->HandleProtocol(gt_image, &LoadedImageProtocol, (void **)&li);
    if (li == NULL || li->LoadOptions == NULL)
        return;
    text = li->LoadOptions;
    count = li->LoadOptionsSize / sizeof *text;
    for (; n < count && text[n] != 0 && n < sizeof args - 1; n++)
        args[n] = (char)text[n];
    args[n] = 0;
    while (start < n && args[start] != ' ')
        start++;
    if (start >= 4 && (args[start - 1] | 0x20) == 'i' && (args[start - 3] | 0x20) == 'e') {
        while (args[start] == ' ')
            start++;
        for (n = 0; args[start + n] != 0; n++)
            args[n] = args[start + n];
        args[n] = 0;
    }
}

const char *gt_args(void)
{
    return args;
}

bool gt_counting(void)
{
    return gt_args()[0] == 'c';
}

void gt_count_next(char sign, u64 per, const char *name)
{
    if (gt_counting())
        gt_line("count %s %lu %s", sign == '-' ? "less" : "more", per, name);
}

static void state_save(struct cpu_state *s)
{
    s->rflags = gt_read_rflags();
    gt_cli();
    s->cr0 = gt_read_cr0();
    s->cr3 = gt_read_cr3();
    s->cr4 = gt_read_cr4();
    s->cr8 = gt_read_cr8();
    s->dr7 = gt_read_dr7();
    s->efer = gt_rdmsr(MSR_EFER);
}

static void state_restore(const struct cpu_state *s)
{
    gt_write_dr7(s->dr7);
    gt_write_cr0(s->cr0);
    gt_write_cr4(s->cr4);
    gt_write_cr3(s->cr3);
    gt_write_cr8(s->cr8);
    gt_wrmsr(MSR_EFER, s->efer);
}

void gt_firmware_enter(void)
{
    state_save(&test_state);
    gt_desc_leave();
    state_restore(&firmware_state);
    gt_write_rflags(firmware_state.rflags);
}

void gt_firmware_leave(void)
{
    gt_cli();
    state_restore(&test_state);
    gt_desc_enter();
}

void gt_end(void)
{
    char line[80];

    gt_format(line, sizeof line, "END %s %u\n", gt_name, gt_lines);
    gt_raw(line);
}

static void run_here(void (*body)(void))
{
    u16 fs = gt_read_fs(), gs = gt_read_gs();

    gt_guard(body);
    gt_cli();
    __asm__ volatile("mov %w0, %%fs\n\tmov %w1, %%gs" : : "r"(fs), "r"(gs) : "memory");
    gt_trap_reset();
}

/* ---- the body on another processor: cpu=N in the load options ---- */

/* Its firmware state is the one that gt_firmware_enter() gives back while the body runs: the
 * firmware's bootstrap processor does nothing but wait, so the body may call what it could call
 * there. */
static void EFIAPI on_other(void *body)
{
    struct cpu_state first = firmware_state;

    state_save(&firmware_state);
    gt_desc_enter();
    run_here((void (*)(void))body);
    gt_firmware_enter();
    firmware_state = first;
}

static UINTN other_processor(void)
{
    const char *at = args;

    for (; *at; at++)
        if (strncmpa((const CHAR8 *)at, (const CHAR8 *)"cpu=", 4) == 0)
            return (UINTN)(at[4] - '0');
    return 0;
}

static void run_there(void (*body)(void), UINTN cpu)
{
    gt_firmware_enter();
    struct gt_mp *mp = gt_mp();
    if (mp == NULL || mp->start_one(mp, on_other, cpu, NULL, 0, (void *)body, NULL) != EFI_SUCCESS)
        gt_fail("processor %u cannot be started", (unsigned)cpu);
    gt_firmware_leave();
}

EFI_STATUS gt_run(EFI_HANDLE image, EFI_SYSTEM_TABLE *st, const char *name, void (*body)(void))
{
    char line[80];

    InitializeLib(image, st);
    gt_image = image;
    gt_name = name;
    gt_lines = 0;
    on_stick = gt_sink_find();
    gt_seed(0x6e69647573);
    read_args();
    if (!pool_open(&high_pool, 0xffffffff, POOL_PAGES))
        return EFI_OUT_OF_RESOURCES;
    pool_open(&low_pool, 0x9ffff, LOW_PAGES);
    gt_desc_build();
    state_save(&firmware_state);
    gt_desc_enter();

    gt_format(line, sizeof line, "BEGIN %s\n", name);
    gt_raw(line);
    if (other_processor() == 0)
        run_here(body);
    else
        run_there(body, other_processor());
    gt_end();

    gt_firmware_enter();
    pool_close(&high_pool);
    pool_close(&low_pool);
    return EFI_SUCCESS;
}
