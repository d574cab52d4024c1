/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The types that everything shares: fixed-width integers and the three physical address
 * spaces. Each address type is a struct of one member, so code that mixes two address spaces
 * does not compile. Read next: bits.h.
 */
#ifndef HV_ARCH_TYPES_H
#define HV_ARCH_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* hpa: what the machine's memory controller sees. gpa1: what L1 believes to be physical.
 * gpa2: what L2 believes to be physical. Linear addresses are plain `u64 gla`. */
typedef struct {
    u64 a;
} hpa_t;
typedef struct {
    u64 a;
} gpa1_t;
typedef struct {
    u64 a;
} gpa2_t;

#define HPA(x)  ((hpa_t){(x)})
#define GPA1(x) ((gpa1_t){(x)})
#define GPA2(x) ((gpa2_t){(x)})

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ull
#define SIZE_2M    (1ull << 21)
#define SIZE_1G    (1ull << 30)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK   __attribute__((warn_unused_result))
#define PACKED       __attribute__((packed))
#define NORETURN     __attribute__((noreturn))
#define NOINLINE     __attribute__((noinline))
#define FORCE_INLINE inline __attribute__((always_inline))
/* A function on the short path between L2 and L1. It keeps all registers but RAX, so the door saves
 * one register, and the function those that it uses. A function of this kind that calls one of
 * another kind must save nine. Host tests have vector registers, for which compilers refuse it, and
 * the web page's processor has no registers. */
#if defined(__x86_64__) && !defined(__SSE__)
#define KEEPS_REGISTERS __attribute__((no_caller_saved_registers))
#else
#define KEEPS_REGISTERS
#endif

#endif
