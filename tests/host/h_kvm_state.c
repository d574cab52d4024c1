/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's nested-state blob: a hand-made one is read right, each rule refuses what breaks it,
 * no prefix of a good blob is accepted, and parse and produce are inverse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/kvm.h>

#include "hv/saved/kvm_state.h"
#include "tests/lib/rng.h"

static void put(u8 *p, u64 v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (u8)(v >> (8 * i));
}

/* L2 runs, shadowing on. The header is the kernel's own structure; places in struct vmcs12, which
 * the kernel does not export, are bytes. */
static void good_blob(u8 *b)
{
    struct kvm_nested_state h;
    memset(b, 0, 128 + 8192);
    memset(&h, 0, sizeof h);
    h.flags = KVM_STATE_NESTED_GUEST_MODE;
    h.format = KVM_STATE_NESTED_FORMAT_VMX;
    h.size = sizeof h + sizeof(struct kvm_vmx_nested_state_data);
    h.hdr.vmx.vmxon_pa = 0x1000;
    h.hdr.vmx.vmcs12_pa = 0x2000;
    h.hdr.vmx.flags = KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
    h.hdr.vmx.preemption_timer_deadline = 0x1122334455667788;
    memcpy(b, &h, sizeof h);
    u8 *vmcs = b + sizeof h + offsetof(struct kvm_vmx_nested_state_data, vmcs12);
    u8 *shadow = b + sizeof h + offsetof(struct kvm_vmx_nested_state_data, shadow_vmcs12);
    put(vmcs, 0x11e57ed0, 4);
    put(vmcs + 8, 1, 4);
    put(vmcs + 176, 0x5000, 8);       /* link pointer */
    put(vmcs + 544, 0xfffff80001, 8); /* guest RIP */
    put(vmcs + 748, 0x80000000, 4);
    put(vmcs + 804, 1u << 14, 4);
    put(vmcs + 884, 0x1a09b, 4); /* CS rights, unusable */
    put(shadow, 0x91e57ed0, 4);
    put(shadow + 176, ~0ull, 8);
}

/* Our flags are the kernel's; SMM flags, which no blob above sets, stand where it has them. */
static void flags_are_the_kernels(void **state)
{
    (void)state;
    static u8 b[128 + 8192];
    static struct kvm_state s;
    struct kvm_nested_state h;
    assert_int_equal(KVM_GUEST_MODE, KVM_STATE_NESTED_GUEST_MODE);
    assert_int_equal(KVM_RUN_PENDING, KVM_STATE_NESTED_RUN_PENDING);
    assert_int_equal(KVM_EVMCS, KVM_STATE_NESTED_EVMCS);
    assert_int_equal(KVM_MTF_PENDING, KVM_STATE_NESTED_MTF_PENDING);
    assert_int_equal(KVM_SMM_GUEST_MODE, KVM_STATE_NESTED_SMM_GUEST_MODE);
    assert_int_equal(KVM_SMM_VMXON, KVM_STATE_NESTED_SMM_VMXON);
    assert_int_equal(KVM_DEADLINE_VALID, KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE);
    assert_int_equal(KVM_STATE_HEADER, sizeof h);
    good_blob(b);
    memcpy(&h, b, sizeof h);
    h.flags = 0;
    h.hdr.vmx.smm.flags = KVM_STATE_NESTED_SMM_GUEST_MODE | KVM_STATE_NESTED_SMM_VMXON;
    memcpy(b, &h, sizeof h);
    assert_null(kvm_state_parse(b, sizeof b, &s));
    assert_int_equal(s.smm_flags, 3);
    assert_int_equal(s.vmx_flags, 1);
}

static void reads_a_blob(void **state)
{
    (void)state;
    static u8 b[128 + 8192];
    static struct kvm_state s;
    good_blob(b);
    assert_null(kvm_state_parse(b, sizeof b, &s));
    assert_int_equal(s.flags, KVM_GUEST_MODE);
    assert_int_equal(s.vmxon_pa, 0x1000);
    assert_int_equal(s.vmcs12_pa, 0x2000);
    assert_int_equal(s.preemption_timer_deadline, 0x1122334455667788);
    assert_true(s.has_vmcs12 && s.has_shadow12);
    assert_int_equal(s.vmcs12.revision, 0x12);
    assert_int_equal(s.vmcs12.launch_state, 1);
    assert_int_equal(s.vmcs12.guest_rip, 0xfffff80001);
    assert_int_equal(ar_unpack(s.vmcs12.guest_cs_ar), 0x1a09b);
    assert_int_equal(s.shadow12.revision, 0x80000012);
    assert_int_equal(s.shadow12.vmcs_link_pointer, ~0ull);
    static u8 again[sizeof b];
    assert_int_equal(kvm_state_length(&s), sizeof b);
    assert_int_equal(kvm_state_produce(&s, again), F_COUNT);
    assert_memory_equal(again, b, sizeof b);
}

static void no_prefix_is_accepted(void **state)
{
    (void)state;
    static u8 b[128 + 8192];
    static struct kvm_state s;
    good_blob(b);
    for (size_t n = 0; n < sizeof b; n++) {
        u8 *copy = malloc(n + 1); /* so that a read beyond the end is seen */
        memcpy(copy, b, n);
        assert_non_null(kvm_state_parse(copy, n, &s));
        free(copy);
    }
}

struct spoil {
    unsigned at, bytes;
    u64 value;
    const char *why;
};

static void each_rule_refuses(void **state)
{
    (void)state;
    static const struct spoil rows[] = {
        {2, 2, 1, "the format is not VMX"},
        {4, 4, 127, "the size is not that of a header and up to two pages"},
        {4, 4, 129, "the size is not that of a header and up to two pages"},
        {4, 4, 128 + 3 * 4096, "the size is not that of a header and up to two pages"},
        {0, 2, 5, "an enlightened VMCS is in use"},
        {0, 2, 0x11, "unknown flags"},
        {24, 2, 4, "unknown SMM flags"},
        {28, 4, 2, "unknown VMX flags"},
        {24, 2, 1, "guest mode in SMM without VMX operation"},
        {24, 2, 2, "guest mode both inside and outside SMM"},
        {8, 8, ~0ull, "a VMCS or flags outside VMX operation"},
        {8, 8, 0x1001, "the VMXON address is no page address"},
        {8, 8, 1ull << 52, "the VMXON address is no page address"},
        {4, 4, 128, "the vmcs12 page is missing"},
        {4, 4, 128 + 4096, "the shadow vmcs12 page is missing"},
        {16, 8, 0x1000, "the vmcs12 address is no page address of its own"},
        {16, 8, 0x2008, "the vmcs12 address is no page address of its own"},
        {128, 4, 0x12, "the vmcs12 has another revision than KVM's"},
        {128 + 4096, 4, 0x11e57ed0, "the shadow vmcs12 is no shadow VMCS of KVM's revision"},
    };
    static u8 b[128 + 8192];
    static struct kvm_state s;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        good_blob(b);
        put(b + rows[i].at, rows[i].value, rows[i].bytes);
        const char *why = kvm_state_parse(b, sizeof b, &s);
        assert_non_null(why);
        assert_string_equal(why, rows[i].why);
    }
}

/* The nearest legal ones: outside VMX operation; VMXON without a VMCS; no shadow needed. */
static void small_states(void **state)
{
    (void)state;
    static u8 b[128 + 8192];
    static struct kvm_state s;
    good_blob(b);
    put(b, 0, 2);
    put(b + 4, 128, 4);
    put(b + 16, ~0ull, 8);
    assert_null(kvm_state_parse(b, 128, &s));
    assert_false(s.has_vmcs12);
    put(b, 1, 2);
    assert_string_equal(kvm_state_parse(b, 128, &s), "the vmcs12 page is missing");
    put(b, 0, 2);
    put(b + 8, ~0ull, 8);
    assert_null(kvm_state_parse(b, 128, &s));
    good_blob(b);
    put(b + 128, 0x91e57ed0, 4);
    assert_null(kvm_state_parse(b, sizeof b, &s));
    assert_int_equal(s.vmcs12.revision, 0x80000012);
    put(b + 4, 128 + 4096, 4);
    put(b + 128 + 176, ~0ull, 8);
    assert_null(kvm_state_parse(b, 128 + 4096, &s));
    assert_true(s.has_vmcs12 && !s.has_shadow12);
}

static void the_tail(void **state)
{
    (void)state;
    static u8 b[128 + 8192 + 64], again[sizeof b];
    static struct kvm_state s, s2;
    good_blob(b);
    assert_null(kvm_state_parse(b, 128 + 8192, &s));
    s.tail = (const u8 *)"hello";
    s.tail_length = 5;
    s.tail_version = KVM_TAIL_VERSION;
    size_t n = kvm_state_length(&s);
    assert_int_equal(n, 128 + 8192 + 12 + 5);
    assert_int_equal(kvm_state_produce(&s, again), F_COUNT);
    assert_null(kvm_state_parse(again, n, &s2));
    assert_int_equal(s2.tail_length, 5);
    assert_memory_equal(s2.tail, "hello", 5);
    assert_string_equal(kvm_state_parse(again, n - 1, &s2),
                        "a tail whose length is not that of its bytes");
    assert_string_equal(kvm_state_parse(again, 128 + 8192 + 11, &s2),
                        "bytes behind the state, too few for a tail");
    again[128 + 8192 + 4]++;
    assert_string_equal(kvm_state_parse(again, n, &s2), "a tail of an unknown version");
    again[128 + 8192 + 4]--;
    again[128 + 8192 + 6]++;
    assert_string_equal(kvm_state_parse(again, n, &s2), "a tail of an unknown version");
    again[128 + 8192]++;
    assert_string_equal(kvm_state_parse(again, n, &s2),
                        "bytes behind the state that are no tail of ours");
}

/* KVM's layout has no place for it: refused by the field's name. */
static void produce_refuses(void **state)
{
    (void)state;
    static u8 b[128 + 8192];
    static struct kvm_state s;
    good_blob(b);
    assert_null(kvm_state_parse(b, sizeof b, &s));
    s.shadow12.ple_gap = 1;
    assert_int_equal(kvm_state_produce(&s, b), F_ple_gap);
    s.vmcs12.cr3_target_value2 = 4;
    assert_int_equal(kvm_state_produce(&s, b), F_cr3_target_value2);
}

static void random_states_survive(void **state)
{
    (void)state;
    struct rng g = rng_start("random_states_survive");
    static u8 b[128 + 8192 + 300];
    static struct kvm_state s, back;
    u8 tail[256];
    for (unsigned n = 0; n < 2000; n++) {
        memset(&s, 0, sizeof s);
        s.vmxon_pa = rng_next(&g) & 0x000ffffffffff000;
        s.vmcs12_pa = (s.vmxon_pa ^ 0x1000);
        s.flags = (u16)(rng_next(&g) & (KVM_RUN_PENDING | KVM_MTF_PENDING));
        s.has_vmcs12 = true;
        s.has_shadow12 = rng_below(&g, 2) != 0;
        s.vmcs12.revision = 0x12;
        if (s.has_shadow12)
            s.shadow12.revision = 0x80000012;
        for (enum vmcs_field f = 0; f < F_COUNT; f++) {
            if (layout_offset(LAYOUT_KVM, f) == LAYOUT_NONE)
                continue;
            vmcs12_set(&s.vmcs12, f, rng_edgy(&g));
            if (s.has_shadow12)
                vmcs12_set(&s.shadow12, f, rng_edgy(&g));
        }
        s.tail_length = (u32)rng_below(&g, sizeof tail);
        s.tail_version = s.tail_length != 0 ? KVM_TAIL_VERSION : 0;
        s.tail = tail;
        memset(tail, (int)n, sizeof tail);
        size_t length = kvm_state_length(&s);
        assert_int_equal(kvm_state_produce(&s, b), F_COUNT);
        assert_null(kvm_state_parse(b, length, &back));
        if (back.tail_length != 0)
            assert_memory_equal(back.tail, tail, back.tail_length);
        back.tail = tail;
        assert_memory_equal(&back, &s, sizeof s);
    }
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_the_kernels),
        cmocka_unit_test(reads_a_blob),      cmocka_unit_test(no_prefix_is_accepted),
        cmocka_unit_test(each_rule_refuses), cmocka_unit_test(small_states),
        cmocka_unit_test(the_tail),          cmocka_unit_test(produce_refuses),
        cmocka_unit_test(random_states_survive),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
