/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of the first boot on a machine: values that are numbers, and the switches of what is
 * seen. */
#include "tests/lib/options_given.h"
#include "boot/spec.h"
#include "hv/trace/record.h"

static void test_values(void **state)
{
    (void)state;
    static const struct option_row rows[] = {
        {"log=port:0x3e8", &o.log, BOOT_LOG_PORT | 0x3e8 << 8},
        {"log=port:0xFFf0", &o.log, BOOT_LOG_PORT | 0xfff0 << 8},
        {"vtd=off", &o.vtd, OPTIONS_VTD_OFF},
        {"vtd=on", &o.vtd, OPTIONS_VTD_ON},
        {"vtd=require", &o.vtd, OPTIONS_VTD_REQUIRE},
        {"gdb=com2", &o.gdb, BOOT_GDB_COM2},
        {"gdb=wait", &o.gdb, BOOT_GDB_WAIT},
        {"trace=all", &o.trace, TRACE_WANT_ALL},
        {"trace=exits,l2,com2", &o.trace, TRACE_WANT_EXITS | TRACE_WANT_L2 | TRACE_TO_COM2},
        {"trace=routes,events,insns,fills,entries", &o.trace, TRACE_WANT_KINDS & ~TRACE_WANT_EXITS},
        {"trace=cpu0,cpu1,cpu2,cpu3,l1", &o.trace, TRACE_WANT_CPUS | TRACE_WANT_L1},
        {"stress=guard", &o.stress, STRESS_GUARD},
        {"spec=l1d", &o.spec, SPEC_L1D << SPEC_OPTION_SHIFT},
        {"spec=verw", &o.spec, SPEC_VERW << SPEC_OPTION_SHIFT},
        {"spec=ibpb", &o.spec, SPEC_IBPB << SPEC_OPTION_SHIFT},
        {"spec=rsb", &o.spec, SPEC_RSB << SPEC_OPTION_SHIFT},
        {"wait=off", &o.wait, WAIT_OFF},
        {"wait=on", &o.wait, WAIT_ON},
        {"wait=auto", &o.wait, WAIT_AUTO},
        {"screen=off", &o.screen, SCREEN_OFF},
        {"screen=on", &o.screen, SCREEN_ON},
        {"screen=corner", &o.screen, SCREEN_CORNER},
        {"cmos=on", &o.cmos, 1},
        {"cmos=off", &o.cmos, 0},
        {"hvbit=off", &o.hvbit, 0},
        {"hvbit=on", &o.hvbit, 1},
        {"s3=allow", &o.s3, OPTIONS_S3_ALLOW},
        {"s3=refuse", &o.s3, OPTIONS_S3_REFUSE},
        {"plant=0", &o.plant, 0},
        {"plant=999", &o.plant, 999},
        {"dry", &o.dry, 1},
        {"blink", &o.blink, 1},
        {"ring", &o.ring, 1},
    };
    check_values(rows, ARRAY_LEN(rows));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"log=port:", "log=port:: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=port:0x", "log=port:0x: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=port:3f8", "log=port:3f8: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=port:0x3fg", "log=port:0x3fg: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=port:0x12345", "log=port:0x12345: not one of none, e9, com1, com2, port:0xNNNN"},
        {"plant=1000", "plant=1000: not one of 0 to 999"},
        {"plant=0x1", "plant=0x1: not one of 0 to 999"},
        {"plant=", "plant=: not one of 0 to 999"},
        {"plant=-1", "plant=-1: not one of 0 to 999"},
    };
    check_refused(rows, ARRAY_LEN(rows));
}

static void test_described(void **state)
{
    (void)state;
    struct line l;
    line_clear(&l);
    assert_true(command("log=port:0x2e8 plant=7 screen=corner cmos=on wait=off"));
    options_describe(&o, &l);
    assert_string_equal(
        l.text, "log=port:0x2e8 verbose=0 nested=on cpus=all mp=auto profile=broadwell "
                "vtd=on shadow=on fast=on tlb=default gdb=none spec=auto wait=off screen=corner "
                "cmos=on hvbit=on s3=refuse plant=7");
}

static void test_path(void **state)
{
    (void)state;
    char word[160] = "ucode=";
    assert_true(command("ucode=\\a\\06-3d-04"));
    assert_int_equal(o.ucode[0], '\\');
    assert_int_equal(o.ucode[10], '4');
    assert_int_equal(o.ucode[11], 0);
    assert_true(command("\"ucode=a b\" check"));
    assert_int_equal(o.ucode[1], ' ');
    assert_true(command("check"));
    assert_int_equal(o.ucode[0], 0);
    assert_false(command("ucode="));
    assert_string_equal(why.text, "ucode=: not one of a path");
    assert_false(command("ucode"));
    memset(word + 6, 'x', 127);
    assert_true(command(word));
    assert_int_equal(o.ucode[126], 'x');
    assert_int_equal(o.ucode[127], 0);
    word[6 + 127] = 'x';
    assert_false(command(word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
