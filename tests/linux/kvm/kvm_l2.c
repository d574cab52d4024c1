/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* sched_setaffinity */
/*
 * kvm-l2: a user of /dev/kvm and nothing else. Runs the guests of guests.asm and prints, per guest,
 * what it said and how it ended: the same lines on every machine that does VMX right. Lines that
 * begin with '#' tell ticks and are not for comparison. Called as run-l2 it gives the terminal to
 * the last guest's console instead.
 *   kvm-l2 [CASE ...]    the cases named, or all; the last line but one is the verdict
 */
#include "tests/linux/kvm/cost.h"
#include "tests/linux/kvm/exits.h"
#include "tests/linux/kvm/verdict.h"
#include "tests/linux/leaves.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

enum { CASE_SECONDS = 40, HUGE_PAGE = 2 << 20, PAGE = 4096, CHANGES_SIZE = 16 << 20 };

static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void simple(enum vm_mode mode)
{
    vm_load(&vm, current);
    vm_start(&vm, 0, mode, NULL);
    show_end(0, run_cpu(0));
}

/* clang-format off */
static void case_simple_real(void) { simple(VM_REAL); }
static void case_simple_paged(void) { simple(VM_PAGED); }
static void case_simple_long(void) { simple(VM_LONG); }
/* clang-format on */

/* Two runs of the guest in rbx trips, 100 and 1,100: what one trip takes is told. */
static void trips(const char *guest, uint64_t rdi)
{
    const uint64_t few[4] = {rdi, 0, 0, 100}, many[4] = {rdi, 0, 0, 1100};
    uint64_t spent[2];
    vm_load(&vm, guest);
    for (int i = 0; i < 2; i++) {
        vm_start(&vm, 0, VM_LONG, i ? many : few);
        uint64_t start = ticks();
        int reason = run_cpu(0);
        spent[i] = ticks() - start;
        printf("%s: exit %d (%s)\n", current, reason, exit_name(reason));
    }
    printf("# %s: %llu ticks an exit\n", current, (unsigned long long)(spent[1] - spent[0]) / 1000);
}

/* clang-format off */
static void case_cpuid(void) { trips("cpuid", 0); }
/* A guest that is a hypervisor, as KVM shows it VMX: its own guest without EPT, and with. */
static void case_nest(void) { trips("nest", 0); }
static void case_nest_ept(void) { trips("nest", 1); }
/* clang-format on */

static void case_inject(void)
{
    static const int vectors[] = {0x30, 0x31, 0xf0, 0x30, 0xf0, 0x31};
    vm_load(&vm, "inject");
    vm_start(&vm, 0, VM_LONG, NULL);
    int reason = run_cpu(0);
    for (int i = 0; i < 6 && reason == KVM_EXIT_HLT; i++) {
        inject(0, vectors[i]);
        reason = run_cpu(0);
    }
    show_end(0, reason);
}

static uint64_t range; /* bytes from VM_HIGH on that pattern() and check_pattern() are about */

/* One run of a memory guest; what is in the pages then is known to the word. */
static void pattern(const char *guest, uint64_t step, uint64_t seed)
{
    const uint64_t parameters[4] = {VM_HIGH, VM_HIGH + range, step, seed};
    uint64_t start = ticks();
    vm_load(&vm, guest);
    vm_start(&vm, 0, VM_LONG, parameters);
    int reason = run_cpu(0);
    printf("%s: %s step %llu: exit %d (%s)\n", current, guest, (unsigned long long)step, reason,
           exit_name(reason));
    printf("# %s: %s step %llu: %llu ticks\n", current, guest, (unsigned long long)step,
           (unsigned long long)(ticks() - start));
}

static void check_pattern(uint64_t step, uint64_t seed)
{
    uint64_t bad = 0;
    for (uint64_t gpa = VM_HIGH; gpa < VM_HIGH + range; gpa += step) {
        uint64_t value;
        memcpy(&value, vm.high + (gpa - VM_HIGH), sizeof value);
        bad += value != ((gpa * 0x9e3779b97f4a7c15) ^ seed);
    }
    say("words that userspace finds wrong", bad);
}

static void case_memory(void)
{
    range = VM_HIGH_SIZE;
    vm_add_high(&vm, 0);
    pattern("memory", PAGE, 1);
    check_pattern(PAGE, 1);
    pattern("memory", PAGE, 2);
    pattern("memory", 8, 3);
    check_pattern(8, 3);
    pattern("check", PAGE, 0);
}

/* The host takes pages away, gives others, forbids writes and counts them: nothing
 * stale may stay. */
static void case_changes(void)
{
    range = CHANGES_SIZE;
    vm_add_high(&vm, 0);
    pattern("memory", PAGE, 1);
    madvise(vm.high + HUGE_PAGE, 3 * HUGE_PAGE, MADV_DONTNEED);
    pattern("check", PAGE, 0);
    for (size_t i = 0; i < range; i += 64 * PAGE)
        madvise(vm.high + i, PAGE, MADV_DONTNEED);
    pattern("check", PAGE, 0);
    memset(vm.high + 5 * HUGE_PAGE, 0x5a, PAGE);
    void *other = mmap(vm.high + 7 * PAGE, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (other == MAP_FAILED)
        die("mmap");
    memset(other, 0xa5, PAGE);
    pattern("check", PAGE, 0);
    pattern("memory", PAGE, 4);
    check_pattern(PAGE, 4);
}

static uint64_t dirty_pages(void)
{
    static uint64_t bits[VM_HIGH_SIZE / PAGE / 64];
    struct kvm_dirty_log log = {.slot = 1, .dirty_bitmap = bits};
    uint64_t n = 0;
    if (ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log) < 0)
        die("KVM_GET_DIRTY_LOG");
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        n += (uint64_t)__builtin_popcountll(bits[i]);
    return n;
}

static void case_dirty(void)
{
    range = CHANGES_SIZE;
    vm_add_high(&vm, 0);
    pattern("memory", PAGE, 1);
    vm_add_high(&vm, KVM_MEM_LOG_DIRTY_PAGES);
    say("dirty at first", dirty_pages());
    pattern("check", PAGE, 0);
    say("dirty after reads", dirty_pages());
    pattern("memory", 17 * PAGE, 2);
    say("dirty after every 17th page", dirty_pages());
    pattern("memory", 3 * PAGE, 5);
    say("dirty after every third page", dirty_pages());
    say("dirty now", dirty_pages());
    pattern("memory", HUGE_PAGE, 6);
    say("dirty after a write per 2 MiB", dirty_pages());
}

static void case_two(void)
{
    vm_load(&vm, "two");
    for (int cpu = 0; cpu < 2; cpu++) {
        const uint64_t parameters[4] = {0, 0, 0, cpu ? 0x1000 : 0};
        vm_start(&vm, cpu, VM_LONG, parameters);
    }
    for (int i = 0; i < 8; i++) {
        for (int n = 0; n < 1 + i % 3; n++) {
            if (ioctl(vm.cpu[i & 1], KVM_RUN, 0) < 0)
                die("KVM_RUN");
            printf("%s: processor %d: ", current, i & 1);
            do_io(i & 1);
        }
    }
}

static void *run_second(void *reason)
{
    *(int *)reason = run_cpu(1);
    return NULL;
}

/* The second processor ends when it is told to. */
static void case_smp(void)
{
    struct kvm_mp_state runs = {KVM_MP_STATE_RUNNABLE};
    pthread_t second;
    int reason;
    vm_load(&vm, "smp");
    for (int cpu = 0; cpu < 2; cpu++) {
        const uint64_t parameters[4] = {200, 0, 0, (uint64_t)cpu};
        vm_start(&vm, cpu, VM_LONG, parameters);
    }
    if (ioctl(vm.cpu[1], KVM_SET_MP_STATE, &runs) < 0)
        die("KVM_SET_MP_STATE");
    if (pthread_create(&second, NULL, run_second, &reason) != 0)
        die("pthread_create");
    show_end(0, run_cpu(0));
    vm.run[1]->immediate_exit = 1;
    pthread_kill(second, SIGUSR1);
    pthread_join(second, NULL);
    printf("%s: the second processor: exit %d\n", current, reason);
}

static void case_step(void)
{
    struct kvm_guest_debug debug = {.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
                                               KVM_GUESTDBG_USE_SW_BP};
    struct kvm_regs regs;
    vm_load(&vm, "step");
    vm_start(&vm, 0, VM_LONG, NULL);
    if (ioctl(vm.cpu[0], KVM_SET_GUEST_DEBUG, &debug) < 0)
        die("KVM_SET_GUEST_DEBUG");
    for (int i = 0; i < 30; i++) {
        int reason = run_cpu(0);
        vm_regs(&vm, 0, &regs);
        if (reason != KVM_EXIT_DEBUG)
            break;
        printf("%s: at 0x%llx exception %u dr6 0x%llx\n", current, regs.rip,
               vm.run[0]->debug.arch.exception, vm.run[0]->debug.arch.dr6);
        if (vm.run[0]->debug.arch.exception == 3) {
            regs.rip++;
            vm_set_regs(&vm, 0, &regs);
        }
    }
    say("last exit", vm.run[0]->exit_reason);
    say("rip", regs.rip);
}

/* A CS that is 64-bit and 32-bit at once: no processor enters with it. */
static void case_bad(void)
{
    struct kvm_sregs sregs;
    static const uint64_t once[4] = {0, 0, 0, 1};
    vm_load(&vm, "cpuid");
    vm_start(&vm, 0, VM_LONG, once);
    if (ioctl(vm.cpu[0], KVM_GET_SREGS, &sregs) < 0)
        die("KVM_GET_SREGS");
    sregs.cs.db = 1;
    if (ioctl(vm.cpu[0], KVM_SET_SREGS, &sregs) < 0)
        die("KVM_SET_SREGS");
    show_end(0, run_cpu(0));
}

/* clang-format off */
static const struct {
    const char *name;
    void (*run)(void);
    int cpus, irqchip;
} cases[] = {
    {"real", case_simple_real, 1, 0},     {"modes", case_simple_real, 1, 0},
    {"fault", case_simple_paged, 1, 0},
    {"long", case_simple_long, 1, 0},     {"user", case_simple_long, 1, 0},
    {"device", case_simple_long, 1, 0},
    {"ports", case_simple_long, 1, 0},    {"inject", case_inject, 1, 0},
    {"lapic", case_simple_long, 1, 1},
    {"two", case_two, 2, 0},              {"smp", case_smp, 2, 1},
    {"step", case_step, 1, 0},
    {"triple", case_simple_long, 1, 0},
    {"bad", case_bad, 1, 0},              {"cpuid", case_cpuid, 1, 0},
    {"nest", case_nest, 1, 0},            {"nest-ept", case_nest_ept, 1, 0},
    {"memory", case_memory, 1, 0},
    {"changes", case_changes, 1, 0},      {"dirty", case_dirty, 1, 0},
};
/* clang-format on */

/* ---- around the cases ------------------------------------------------------------------------ */

static void on_signal(int signal)
{
    (void)signal; /* KVM_RUN returns EINTR */
}

static void run_case(size_t i)
{
    const struct itimerval limit = {.it_value = {CASE_SECONDS, 0}, .it_interval = {1, 0}},
                           none = {0};
    current = cases[i].name;
    exits_reset();
    vm_open(&vm, cases[i].cpus, cases[i].irqchip);
    setitimer(ITIMER_REAL, &limit, NULL);
    uint64_t start = ticks();
    cases[i].run();
    uint64_t spent = ticks() - start;
    setitimer(ITIMER_REAL, &none, NULL);
    vm_close(&vm);
    printf("# %s: %llu ticks\n", current, (unsigned long long)spent);
    fflush(stdout);
}

static int run_l2(void)
{
    cpu_set_t one;
    struct cost counted;
    CPU_ZERO(&one);
    CPU_SET(0, &one); /* the counters are a processor's own */
    sched_setaffinity(0, sizeof one, &one);
    if (under_nidus())
        cost_count(&counted);
    struct termios before, raw;
    int terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    }
    interactive = 1;
    current = "console";
    vm_open(&vm, 1, 0);
    vm_load(&vm, "console");
    vm_start(&vm, 0, VM_REAL, NULL);
    int reason = run_cpu(0);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    if (reason != KVM_EXIT_IO)
        show_end(0, reason);
    if (under_nidus())
        cost_print(&counted);
    return reason != KVM_EXIT_IO;
}

static int wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return 1;
    }
    return argc == 1;
}

static int is_case(const char *name)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, name) == 0)
            return 1;
    return 0;
}

/* The exit status; words that are nothing are told. */
static int usage(int is_run_l2, const char *word)
{
    int asked = strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
    if (!asked)
        fprintf(stderr, "%s: nothing is called %s\n", is_run_l2 ? "run-l2" : "kvm-l2", word);
    if (is_run_l2) {
        fprintf(stderr,
                "usage: run-l2\nStarts a guest that echoes what is typed; Ctrl-D ends it.\n");
        return asked ? 0 : 2;
    }
    fprintf(stderr,
            "usage: kvm-l2 [GUEST ...]\nRuns these guests, or all, and compares what they say "
            "with a bare CPU's words. There are:");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        fprintf(stderr, " %s", cases[i].name);
    fprintf(stderr, "\n");
    return asked ? 0 : 2;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    struct sigaction alarmed = {.sa_handler = on_signal};
    int is_run_l2 = strcmp(slash ? slash + 1 : argv[0], "run-l2") == 0;
    for (int i = 1; i < argc; i++)
        if (is_run_l2 || !is_case(argv[i]))
            return usage(is_run_l2, argv[i]);
    if (!is_run_l2)
        verdict_begin();
    sigaction(SIGALRM, &alarmed, NULL);
    sigaction(SIGUSR1, &alarmed, NULL);
    if (is_run_l2)
        return run_l2();
    uint64_t start = ticks();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (wanted(argc, argv, cases[i].name))
            run_case(i);
    }
    printf("# kvm-l2: %llu ticks\n", (unsigned long long)(ticks() - start));
    printf("kvm-l2: end\n");
    return 0;
}
