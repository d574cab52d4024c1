/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest of kvm-l2 meets outside itself: ports and the device that is no memory, and the loop
 * around KVM_RUN that serves them. Prints every access; the contract is exits.h.
 */
#include "tests/linux/kvm/exits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* guests.asm's ports. */
enum {
    PORT_VALUE = 0x10,
    PORT_END = 0x12,
    PORT_ANSWER = 0x14,
    PORT_ASK = 0x16,
    PORT_TEXT = 0x3f8,
    PORT_LSR = 0x3fd
};
enum { ASK_IRQ = 1, ASK_NMI = 2, ASK_BOTH = 3, ASK_PIC = 4 };
enum { EXITS_MAX = 100000, LSR_READY = 0x21, CTRL_D = 4 };

struct vm vm;
const char *current;
int interactive;

static char text[200]; /* what the guest has written to PORT_TEXT since its last line end */
static size_t text_length;
static uint32_t answers;       /* what PORT_ANSWER and the device read: counts up */
static int wanted_vector = -1; /* an interrupt that waits for the guest's window, or -1 */

void exits_reset(void)
{
    answers = 0;
    wanted_vector = -1;
    text_length = 0;
}

void say(const char *what, uint64_t value)
{
    printf("%s: %s 0x%llx\n", current, what, (unsigned long long)value);
}

static void out_text(char c)
{
    if (interactive) {
        if (write(STDOUT_FILENO, &c, 1) < 0)
            die("the terminal");
        return;
    }
    if (c != '\n' && text_length < sizeof text - 1) {
        text[text_length++] = c;
        return;
    }
    text[text_length] = 0;
    text_length = 0;
    printf("%s: says %s\n", current, text);
}

void inject(int cpu, int vector)
{
    struct kvm_interrupt irq = {(uint32_t)vector};
    if (ioctl(vm.cpu[cpu], KVM_INTERRUPT, &irq) < 0)
        die("KVM_INTERRUPT");
}

static void pulse_irq1(void)
{
    for (uint32_t level = 1; level != UINT32_MAX; level--) {
        struct kvm_irq_level line = {.irq = 1, .level = level};
        if (ioctl(vm.fd, KVM_IRQ_LINE, &line) < 0)
            die("KVM_IRQ_LINE");
    }
}

static void asked(int cpu, uint8_t what)
{
    if (what == ASK_IRQ || what == ASK_BOTH) {
        wanted_vector = what == ASK_IRQ ? 0x30 : 0x31;
        vm.run[cpu]->request_interrupt_window = 1;
    }
    if ((what == ASK_NMI || what == ASK_BOTH) && ioctl(vm.cpu[cpu], KVM_NMI) < 0)
        die("KVM_NMI");
    if (what == ASK_PIC)
        pulse_irq1();
}

/* One access of a port; 0: the guest has ended. */
static int port_out(int cpu, uint16_t port, uint32_t value)
{
    if (port == PORT_VALUE)
        say("value", value);
    else if (port == PORT_TEXT)
        out_text((char)value);
    else if (port == PORT_ASK)
        asked(cpu, (uint8_t)value);
    else if (port != PORT_END)
        printf("%s: out port 0x%x 0x%x\n", current, port, value);
    return port != PORT_END;
}

static uint32_t port_in(uint16_t port)
{
    static int key = -1;
    if (port == PORT_LSR && interactive) {
        unsigned char c = CTRL_D;
        key = read(STDIN_FILENO, &c, 1) == 1 ? c : CTRL_D;
        return LSR_READY;
    }
    if (port == PORT_TEXT)
        return (uint32_t)key;
    return answers += 0x01020304;
}

int do_io(int cpu)
{
    struct kvm_run *run = vm.run[cpu];
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        uint32_t value = 0;
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            memcpy(&value, data, run->io.size);
            if (!port_out(cpu, run->io.port, value))
                return 0;
            continue;
        }
        value = port_in(run->io.port);
        memcpy(data, &value, run->io.size);
    }
    return 1;
}

static void do_mmio(const struct kvm_run *run)
{
    uint64_t value = 0;
    if (!run->mmio.is_write) {
        answers += 0x01020304;
        value = (uint64_t)~answers << 32 | answers;
        memcpy((void *)run->mmio.data, &value, run->mmio.len);
        printf("%s: mmio read 0x%llx size %u\n", current, (unsigned long long)run->mmio.phys_addr,
               run->mmio.len);
        return;
    }
    memcpy(&value, run->mmio.data, run->mmio.len);
    printf("%s: mmio write 0x%llx size %u 0x%llx\n", current,
           (unsigned long long)run->mmio.phys_addr, run->mmio.len, (unsigned long long)value);
}

int run_cpu(int cpu)
{
    struct kvm_run *run = vm.run[cpu];
    for (int exits = 0; exits < EXITS_MAX; exits++) {
        if (ioctl(vm.cpu[cpu], KVM_RUN, 0) < 0) {
            if (errno == EINTR)
                return RAN_OUT_OF_TIME;
            die("KVM_RUN");
        }
        if (run->exit_reason == KVM_EXIT_MMIO) {
            do_mmio(run);
        } else if (run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN && wanted_vector >= 0) {
            run->request_interrupt_window = 0;
            inject(cpu, wanted_vector);
            wanted_vector = -1;
        } else if (run->exit_reason != KVM_EXIT_IO || !do_io(cpu)) {
            return (int)run->exit_reason;
        }
    }
    return RAN_OUT_OF_EXITS;
}

const char *exit_name(int reason)
{
    switch (reason) {
    case KVM_EXIT_IO:
        return "its own end";
    case KVM_EXIT_DEBUG:
        return "debug";
    case KVM_EXIT_HLT:
        return "HLT";
    case KVM_EXIT_MMIO:
        return "no memory there";
    case KVM_EXIT_SHUTDOWN:
        return "shutdown";
    case KVM_EXIT_FAIL_ENTRY:
        return "entry failed";
    case KVM_EXIT_INTERNAL_ERROR:
        return "KVM's internal error";
    case RAN_OUT_OF_TIME:
        return "out of time";
    case RAN_OUT_OF_EXITS:
        return "out of exits";
    }
    return "another";
}

void show_end(int cpu, int reason)
{
    struct kvm_regs r;
    vm_regs(&vm, cpu, &r);
    printf(
        "%s: exit %d (%s) rip 0x%llx rsp 0x%llx rflags 0x%llx rax 0x%llx rbx 0x%llx rcx 0x%llx rdx "
        "0x%llx\n",
        current, reason, exit_name(reason), r.rip, r.rsp, r.rflags, r.rax, r.rbx, r.rcx, r.rdx);
    if (reason == KVM_EXIT_FAIL_ENTRY)
        printf("%s: entry failed 0x%llx (bit 31: entry failure; 33: invalid guest state)\n",
               current, (unsigned long long)vm.run[cpu]->fail_entry.hardware_entry_failure_reason);
    if (reason == KVM_EXIT_INTERNAL_ERROR)
        say("internal error", vm.run[cpu]->internal.suberror);
}
