/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first program of the L1 Linux that the rig boots, and its two port tools, in one static
 * file that is called by three names:
 *   init      prints "INIT TSC" to port 0xE9 before anything else, then becomes /etc/rc ARGS
 *   e9        copies its standard input to port 0xE9
 *   l1-off    asks the emulator for a clean end (port 0x8900)
 * What L1 shows and does is in tests/linux/rc.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>

enum { PORT_E9 = 0xe9, PORT_SHUTDOWN = 0x8900 };

static void out_text(uint16_t port, const char *s)
{
    while (*s)
        outb((uint8_t)*s++, port);
}

static int become_rc(char **argv)
{
    uint32_t lo, hi;
    char line[40];
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    snprintf(line, sizeof line, "INIT 0x%016llx\n", (unsigned long long)hi << 32 | lo);
    out_text(PORT_E9, line);
    argv[0] = "/etc/rc";
    execv(argv[0], argv);
    perror("init: /etc/rc");
    return 1;
}

static int copy_to_e9(void)
{
    for (int c = getchar(); c != EOF; c = getchar())
        outb((uint8_t)c, PORT_E9);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    /* Ports from 0x400 on are beyond ioperm(). */
    if (iopl(3) != 0) {
        perror(name);
        return 1;
    }
    if (strcmp(name, "e9") == 0)
        return copy_to_e9();
    if (strcmp(name, "l1-off") == 0) {
        tcdrain(STDOUT_FILENO); /* the console's last bytes are still in the UART's queue */
        out_text(PORT_SHUTDOWN, "Shutdown");
        return 0;
    }
    return become_rc(argv);
}
