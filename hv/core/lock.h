/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A spin lock: an aligned word, 0 while nobody has it. ARCHITECTURE.md "Locks" names every lock and
 * their order. No lock is taken on the exit path. An NMI or machine check that arrives in root only
 * sets a flag, so no handler of theirs waits for a lock.
 */
#ifndef HV_CORE_LOCK_H
#define HV_CORE_LOCK_H

#include "hv/arch/types.h"

static inline bool lock_try(u32 *lock)
{
    return __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void lock_take(u32 *lock)
{
    while (!lock_try(lock))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}

static inline void lock_give(u32 *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
