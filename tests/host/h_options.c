/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of nidus.efi: what each source may say, what wins, and the words of every
 * refusal. */
#include "tests/lib/options_given.h"
#include "boot/spec.h"
#include "boot/words.h"

static void assert_chain(const char *expected)
{
    u32 n = 0;
    for (; expected[n]; n++)
        assert_int_equal(o.chain[n], (u8)expected[n]);
    assert_int_equal(o.chain[n], 0);
}

static void test_defaults(void **state)
{
    (void)state;
    struct line l;
    assert_true(command(""));
    line_clear(&l);
    options_describe(&o, &l);
    assert_string_equal(
        l.text,
        "log=none verbose=0 nested=on cpus=all mp=auto profile=broadwell "
        "vtd=on shadow=on fast=on tlb=default gdb=none spec=auto wait=auto screen=on cmos=off "
        "hvbit=on s3=refuse");
    assert_int_equal(o.check | o.help | o.stress | o.chain[0], 0);
}

/* Every value of every key is stored as boot_info.h numbers it. */
static void test_every_value(void **state)
{
    (void)state;
    static const struct option_row rows[] = {
        {"log=none", &o.log, BOOT_LOG_NONE},
        {"log=e9", &o.log, BOOT_LOG_E9},
        {"log=com1", &o.log, BOOT_LOG_COM1},
        {"log=com2", &o.log, BOOT_LOG_COM2},
        {"verbose=0", &o.verbose, 0},
        {"verbose=1", &o.verbose, 1},
        {"verbose=2", &o.verbose, 2},
        {"nested=on", &o.nested, 1},
        {"nested=off", &o.nested, 0},
        {"cpus=all", &o.bsp_only, 0},
        {"cpus=bsp", &o.bsp_only, 1},
        {"profile=broadwell", &o.profile, BOOT_PROFILE_BROADWELL},
        {"profile=e5-2683v4", &o.profile, BOOT_PROFILE_E5_2683V4},
        {"profile=d-1540", &o.profile, BOOT_PROFILE_D1540},
        {"profile=host", &o.profile, BOOT_PROFILE_HOST},
        {"shadow=on", &o.shadow, 1},
        {"shadow=off", &o.shadow, 0},
        {"fast=on", &o.fast, 1},
        {"fast=off", &o.fast, 0},
        {"tlb=default", &o.tlb, BOOT_TLB_DEFAULT},
        {"tlb=strict", &o.tlb, BOOT_TLB_STRICT},
        {"tlb=eager", &o.tlb, BOOT_TLB_EAGER},
        {"stress=remerge", &o.stress, STRESS_REMERGE},
        {"stress=restore", &o.stress, STRESS_RESTORE},
        {"stress=paranoid", &o.stress, STRESS_PARANOID},
        {"stress=flush", &o.stress, STRESS_FLUSH},
        {"stress=evict", &o.stress, STRESS_EVICT},
        {"spec=auto", &o.spec, SPEC_OPTION_AUTO},
        {"spec=full", &o.spec, SPEC_OPTION_FULL},
        {"spec=off", &o.spec, SPEC_OPTION_OFF},
        {"spec=auto,specctrl", &o.spec, SPEC_OPTION_AUTO | SPEC_CTRL << SPEC_OPTION_SHIFT},
        {"stress=evict,remerge", &o.stress, STRESS_EVICT | STRESS_REMERGE},
        {"check", &o.check, 1},
        {"help", &o.help, 1},
    };
    check_values(rows, ARRAY_LEN(rows));
}

static void test_refused_words(void **state)
{
    (void)state;
    static const struct refused_row rows[] = {
        {"foo", "unknown option \"foo\""},
        {"foo=1", "unknown option \"foo=1\""},
        {"LOG=e9", "unknown option \"LOG=e9\"; did you mean log"},
        {"CHECK", "unknown option \"CHECK\"; did you mean check"},
        {"Nested=off", "unknown option \"Nested=off\"; did you mean nested"},
        {"LOGG=e9", "unknown option \"LOGG=e9\""},
        {"[OG=e9", "unknown option \"[OG=e9\""},
        {"=", "unknown option \"=\""},
        {"lo=e9", "unknown option \"lo=e9\""},
        {"logg=e9", "unknown option \"logg=e9\""},
        {"log=e9 bar", "unknown option \"bar\""},
        {"log=banana", "log=banana: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=", "log=: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log", "log=: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=e", "log=e: not one of none, e9, com1, com2, port:0xNNNN"},
        {"log=e9x", "log=e9x: not one of none, e9, com1, com2, port:0xNNNN"},
        {"verbose=3", "verbose=3: not one of 0, 1, 2"},
        {"trace=", "trace=: not a list of exits, routes, events, insns, fills, entries, l1, l2, "
                   "all, com2, cpu0, cpu1, cpu2, cpu3"},
        {"stress=flush,", "stress=flush,: not a list of remerge, restore, paranoid, flush, evict, "
                          "odd-cpu, last-cpu, guard"},
        {"spec=auto,fish",
         "spec=auto,fish: not a list of auto, full, off, l1d, verw, ibpb, rsb, specctrl"},
        {"stress=",
         "stress=: not a list of remerge, restore, paranoid, flush, evict, odd-cpu, last-cpu, "
         "guard"},
        {"check=on", "an option that takes no value: \"check=on\""},
        {"chain", "chain=PATH is wanted, not \"chain\""},
        {"chain=\"\\a b", "chain=: a quote is not closed in \"\"\\a b\""},
        {"chain= \\a", "chain=: no path in \" \\a\""},
        {"chain=\"\" x", "chain=: no path in \"\"\" x\""},
        {"\"log=e9", "a quote is not closed in \"\"log=e9\""},
        {"a\xc3\xa9", "unknown option \"a?\""},
        {"1234567890123456789012345678901234567890123456789012345678901234567890",
         "unknown option \"123456789012345678901234567890123456789012345678901234567890...\""},
    };
    check_refused(rows, ARRAY_LEN(rows));
}

static void test_program_name(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum options_name name;
        bool good;
    } rows[] = {
        {"nidus log=e9", OPTIONS_NAME_LEADS, true},
        {"\"fs0:\\a b\\nidus.efi\" log=e9", OPTIONS_NAME_LEADS, true},
        {"log=banana log=e9", OPTIONS_NAME_LEADS, true}, /* a program may be called anything */
        {"\\nidus.efi log=e9", OPTIONS_NAME_MAY_LEAD, true},
        {"NIDUS.EFI log=e9", OPTIONS_NAME_MAY_LEAD, true},
        {"\"\\a b\\nidus.efi\" log=e9", OPTIONS_NAME_MAY_LEAD, true},
        {"log=e9", OPTIONS_NAME_MAY_LEAD, true},
        {"nidus log=e9", OPTIONS_NAME_MAY_LEAD, false},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        options_default(&o);
        assert_int_equal(options_read_command(&o, utf8(rows[i].text), rows[i].name, &why),
                         rows[i].good);
        if (rows[i].good)
            assert_int_equal(o.log, BOOT_LOG_E9);
    }
    assert_true(command("log=e9\n\tverbose=2\r\n")); /* line ends part words as spaces do */
    assert_int_equal(o.log, BOOT_LOG_E9);
    assert_int_equal(o.verbose, 2);
    assert_false(command("log=e9\nlog=banana"));
    assert_true(command("chain=\\x.efi"));
    assert_chain("\\x.efi");
}

static void test_chain(void **state)
{
    (void)state;
    assert_true(command("log=e9 chain=\\vmlinuz.efi  initrd=\\i log=no \"q "));
    assert_chain("\\vmlinuz.efi  initrd=\\i log=no \"q"); /* exactly as written, ends trimmed */
    assert_int_equal(o.log, BOOT_LOG_E9);
    assert_true(command("chain=\"\\my dir\\x.efi\" a b"));
    assert_chain("\"\\my dir\\x.efi\" a b");
    assert_true(command("\"chain=\\my dir\\x.efi\" a b"));
    assert_chain("\"\\my dir\\x.efi\" a b");
    assert_true(config("\tchain=\\x.efi a b # c\r\nverbose=1"));
    assert_chain("\\x.efi a b # c");
    assert_int_equal(o.verbose, 1);
    assert_true(config("chain=\\x.efi\nchain="));
    assert_chain("");
}

static void test_program_path(void **state)
{
    (void)state;
    static const struct {
        const char *command, *path;
    } rows[] = {
        {"\\x.efi a", "\\x.efi"},
        {"/a/x.efi", "\\a\\x.efi"},
        {"x.efi", "\\EFI\\nidus\\x.efi"},
        {"\"\\a b\\x.efi\" c", "\\a b\\x.efi"},
        {"\"x y.efi\"", "\\EFI\\nidus\\x y.efi"},
        {"\\a\" \"b c", "\\a b"},
        {"\"/x\"", "\\x"},
        {"\\\\x.efi", "\\x.efi"},
        {"\\a\\\\b//c", "\\a\\b\\c"},
        {"\\/\\", "\\"},
    };
    static const u16 folder[] = {'\\', 'E', 'F', 'I', '\\', 'n', 'i', 'd', 'u', 's', '\\', 0};
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        u16 path[64], wide[64] = {0};
        for (u32 n = 0; rows[i].command[n]; n++)
            wide[n] = (u8)rows[i].command[n];
        assert_true(words_program_path(wide, folder, path, ARRAY_LEN(path)));
        for (u32 n = 0; n <= strlen(rows[i].path); n++)
            assert_int_equal(path[n], (u8)rows[i].path[n]);
        u32 need = (u32)strlen(rows[i].path) + 1;
        assert_true(words_program_path(wide, folder, path, need));
        assert_false(words_program_path(wide, folder, path, need - 1));
    }
}

static void test_config_lines(void **state)
{
    (void)state;
    static const char *good[] = {
        "",
        "\n\n",
        "# log=banana",
        "  # x\n\n\tlog=e9",
        "log=e9\r\n",
        "log=e9",
        "\r\n",
        "\xef\xbb\xbflog=e9\n#\xc3\xa9\n",
        "log=com1\nlog=e9",
        "chain=",
        "check\nhelp\n",
    };
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"\n\nlog=banana\n", "line 3: log=banana: not one of none, e9, com1, com2, port:0xNNNN"},
        {"# x\r\nfoo\r\n", "line 2: unknown option \"foo\""},
        {"log=e9 verbose=1", "line 1: more than one option in \"log=e9 verbose=1\""},
        {"verbose=1\nlog=\x01\n", "line 2: byte 0x1 is not text"},
        {"verbose=1\n\xff\n", "line 2: byte 0xff is not text"},
        {"# \xc3", "line 1: byte 0xc3 is not text"},
        {"# \xc3(", "line 1: byte 0xc3 is not text"},
        {"# \xe2\x82(", "line 1: byte 0xe2 is not text"},
        {"\xc0\xaf", "line 1: byte 0xc0 is not text"},         /* an overlong '/' */
        {"\xe0\x80\xaf", "line 1: byte 0xe0 is not text"},     /* the same in three */
        {"\xed\xa0\x80", "line 1: byte 0xed is not text"},     /* a surrogate */
        {"\xf0\x9f\x90\x90", "line 1: byte 0xf0 is not text"}, /* not in UCS-2 */
        {"\xfe\xff\x00l", "line 1: byte 0xfe is not text"},    /* UCS-2, the wrong way round */
    };
    for (u32 i = 0; i < ARRAY_LEN(good); i++)
        assert_true(config(good[i]));
    for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(config(bad[i].text));
        assert_string_equal(why.text, bad[i].why);
    }
    assert_true(config(good[3]));
    assert_int_equal(o.log, BOOT_LOG_E9);
    assert_true(config(good[7]));
    assert_int_equal(o.log, BOOT_LOG_E9);
    assert_true(config(good[8]));
    assert_int_equal(o.log, BOOT_LOG_E9);
}

static void test_config_zero_byte(void **state)
{
    (void)state;
    static const char text[] = "log=e9\n\0\n";
    options_default(&o);
    assert_false(options_read_config(&o, text_of_file((const u8 *)text, sizeof text - 1), &why));
    assert_string_equal(why.text, "line 2: byte 0x0 is not text");
}

static void test_long_lines(void **state)
{
    (void)state;
    static char text[2 * OPTIONS_LINE_MAX];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "\nchain=", 7);
    text[1 + OPTIONS_LINE_MAX - 2] = 0;
    assert_true(config(text)); /* the longest line */
    text[1] = '"', text[2] = 'c', text[3] = 'h', text[4] = 'a', text[5] = 'i', text[6] = 'n',
    text[7] = '=';
    text[OPTIONS_LINE_MAX - 2] = '"';
    assert_true(config(text)); /* a quote goes before the path: still room */
    memset(text, 'x', sizeof text - 1);
    text[0] = '\n';
    text[1 + OPTIONS_LINE_MAX - 1] = 0;
    assert_false(config(text));
    assert_string_equal(why.text, "line 2: the line is longer than 4094 characters");
    assert_false(command(text + 1));
    assert_string_equal(why.text, "the line is longer than 4094 characters");
}

static void test_command_wins(void **state)
{
    (void)state;
    options_default(&o);
    static const char file[] = "log=com2\nverbose=2\nchain=\\a.efi x\nstress=flush";
    assert_true(options_read_config(&o, text_of_file((const u8 *)file, sizeof file - 1), &why));
    assert_true(
        options_read_command(&o, utf8("log=e9 chain=\\b.efi"), OPTIONS_NAME_MAY_LEAD, &why));
    struct line l;
    line_clear(&l);
    options_describe(&o, &l);
    assert_string_equal(
        l.text,
        "log=e9 verbose=2 nested=on cpus=all mp=auto profile=broadwell vtd=on shadow=on fast=on "
        "tlb=default gdb=none stress=flush spec=auto wait=auto screen=on cmos=off hvbit=on "
        "s3=refuse");
    assert_chain("\\b.efi");
}

static void test_ucs2(void **state)
{
    (void)state;
    static const u8 file[] = "\xff\xfel\0o\0g\0=\0e\0\x39\0\r\0\n\0#\0\xe9\0";
    options_default(&o);
    assert_true(options_read_config(&o, text_of_file(file, sizeof file - 1), &why));
    assert_int_equal(o.log, BOOT_LOG_E9);
    assert_false(
        options_read_config(&o, text_of_file(file, sizeof file - 2), &why)); /* half a character */
    assert_string_equal(why.text, "line 2: byte 0xe9 is not text");
}

static void test_load_options(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        u32 size;
        enum text_form form;
        u32 used;
    } rows[] = {
        {"", 0, TEXT_UCS2, 0},
        {"\0\0", 2, TEXT_UCS2, 0},
        {"l\0o\0g\0\0\0", 8, TEXT_UCS2, 6},
        {"l\0o\0g\0", 6, TEXT_UCS2, 6},
        {"log=e9", 6, TEXT_UTF8, 6},
        {"log=e9\0\0", 8, TEXT_UTF8, 6},
        {"log=e9\n", 7, TEXT_UTF8, 7},
        {"l\0o\0g\0\0\0x\0", 10, TEXT_BINARY, 10}, /* something behind the end */
        {"\xc7\x07\xe7\xa9\x14\xa2\x5b\x41\x84\xa0", 10, TEXT_BINARY, 10},
        {"\x01\x02\x03", 3, TEXT_BINARY, 3},
        {"ab\x80", 3, TEXT_BINARY, 3},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        struct text t = text_of_load_options((const u8 *)rows[i].bytes, rows[i].size);
        assert_int_equal(t.form, rows[i].form);
        assert_int_equal(t.size, rows[i].used);
    }
}

/* What does not fit is cut off, and the text still ends. */
static void test_full_line(void **state)
{
    (void)state;
    struct line l;
    line_clear(&l);
    for (u32 i = 0; i < 2 * sizeof l.text; i++)
        line_add_char(&l, 'x');
    assert_int_equal(l.len, sizeof l.text - 1);
    assert_int_equal(strlen(l.text), sizeof l.text - 1);
    line_clear(&l);
    line_add_decimal(&l, 0);
    line_add_char(&l, ' ');
    line_add_decimal(&l, ~0ull);
    line_add_char(&l, ' ');
    line_add_hex(&l, 0);
    line_add_char(&l, ' ');
    line_add_hex(&l, ~0ull);
    assert_string_equal(l.text, "0 18446744073709551615 0x0 0xffffffffffffffff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_every_value),
        cmocka_unit_test(test_refused_words), cmocka_unit_test(test_program_name),
        cmocka_unit_test(test_chain),         cmocka_unit_test(test_program_path),
        cmocka_unit_test(test_config_lines),  cmocka_unit_test(test_config_zero_byte),
        cmocka_unit_test(test_long_lines),    cmocka_unit_test(test_command_wins),
        cmocka_unit_test(test_ucs2),          cmocka_unit_test(test_load_options),
        cmocka_unit_test(test_full_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
