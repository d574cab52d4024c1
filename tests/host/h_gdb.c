/* SPDX-License-Identifier: BSD-2-Clause */
/* The debugger's remote protocol: bytes to packets, packets to commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "hv/wire/packet.h"

static struct gdb_parser parser;

/* The event of the last byte that was one; the others were nothing. */
static enum gdb_event feed(const char *bytes)
{
    enum gdb_event last = GDB_NOTHING;
    for (; *bytes; bytes++) {
        enum gdb_event e = gdb_feed(&parser, (u8)*bytes);
        last = e != GDB_NOTHING ? e : last;
    }
    return last;
}

static void test_packets(void **state)
{
    (void)state;
    parser = (struct gdb_parser){0};
    assert_int_equal(feed("+$g#67"), GDB_PACKET);
    assert_string_equal(parser.text, "g");
    assert_int_equal(feed("noise\x03"), GDB_BREAK);
    assert_int_equal(feed("$m0,4#FD"), GDB_PACKET);
    assert_string_equal(parser.text, "m0,4");
    assert_int_equal(feed("$#00"), GDB_PACKET);
    assert_string_equal(parser.text, "");
}

static void test_garbage(void **state)
{
    (void)state;
    parser = (struct gdb_parser){0};
    assert_int_equal(feed("$g#68"), GDB_GARBAGE);
    assert_int_equal(feed("$g#x"), GDB_GARBAGE);
    assert_false(gdb_in_packet(&parser));
    assert_int_equal(feed("$\x03\x03"), GDB_NOTHING); /* Ctrl-C in a packet is a byte of it */
    assert_true(gdb_in_packet(&parser));
    assert_int_equal(feed("lost$?#3f"), GDB_PACKET); /* the next '$' begins anew */
    assert_string_equal(parser.text, "?");
    assert_int_equal(gdb_feed(&parser, '$'), GDB_NOTHING);
    assert_int_equal(gdb_feed(&parser, 0), GDB_GARBAGE);
}

static void test_length(void **state)
{
    (void)state;
    char longest[GDB_PACKET_MAX + 8] = "$", *end = longest + 1 + GDB_PACKET_MAX;
    parser = (struct gdb_parser){0};
    memset(longest + 1, ' ', GDB_PACKET_MAX); /* 32 * 1024 is 0 in 8 bits */
    strcpy(end, "#00");
    assert_int_equal(feed(longest), GDB_PACKET);
    assert_int_equal(strlen(parser.text), GDB_PACKET_MAX);
    strcpy(end, " #20");
    assert_int_equal(feed(longest), GDB_GARBAGE);
}

static struct gdb_command parse(const char *text)
{
    struct gdb_command c;
    gdb_parse(text, &c);
    return c;
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum gdb_kind kind;
    } rows[] = {
        {"", GDB_UNKNOWN},
        {"?", GDB_WHY},
        {"g", GDB_REGISTERS},
        {"G00", GDB_WRITE},
        {"P1=0", GDB_WRITE},
        {"M0,1:00", GDB_WRITE},
        {"X0,0:", GDB_WRITE},
        {"c", GDB_CONTINUE},
        {"c1000", GDB_BAD},
        {"s", GDB_STEP},
        {"s1", GDB_BAD},
        {"Hg0", GDB_THREAD},
        {"Hc-1", GDB_THREAD},
        {"Hg2", GDB_THREAD},
        {"Hg", GDB_BAD},
        {"Hg-2", GDB_BAD},
        {"Hgp1.1", GDB_BAD},
        {"T2", GDB_ALIVE},
        {"T", GDB_BAD},
        {"qfThreadInfo", GDB_THREADS},
        {"qsThreadInfo", GDB_NO_MORE},
        {"qThreadExtraInfo,2", GDB_THREAD_INFO},
        {"qC", GDB_CURRENT},
        {"Hm0", GDB_UNKNOWN},
        {"D", GDB_DETACH},
        {"k", GDB_KILL},
        {"qSupported:multiprocess+", GDB_SUPPORTED},
        {"QStartNoAckMode", GDB_NO_ACK},
        {"qAttached", GDB_ATTACHED},
        {"qOffsets", GDB_UNKNOWN},
        {"vCont?", GDB_UNKNOWN},
        {"qXfer:features:read:target.xml:0,fff", GDB_FEATURES},
        {"qXfer:features:read:target.xml:0", GDB_BAD},
        {"qXfer:features:read:other.xml:0,fff", GDB_UNKNOWN},
    };
    for (u32 i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(parse(rows[i].text).kind, rows[i].kind);
}

static void test_operands(void **state)
{
    (void)state;
    struct gdb_command c = parse("mffffffff80000000,20");
    assert_int_equal(c.kind, GDB_MEMORY);
    assert_int_equal(c.address, 0xffffffff80000000);
    assert_int_equal(c.length, 0x20);
    c = parse("Z2,1e5a2030,8");
    assert_int_equal(c.kind, GDB_INSERT);
    assert_int_equal(c.type, 2);
    assert_int_equal(c.address, 0x1e5a2030);
    assert_int_equal(c.length, 8);
    assert_int_equal(parse("z0,1,1;X1,0").kind, GDB_REMOVE);
    static const char *bad[] = {"m",        "m,4",      "m0",       "m0,",
                                "m0,4x",    "Z5,0,1",   "Z0,0",     "Z",
                                "z0;0,1",   "m0x10,4",  "m 0,4",    "qRcmd,6",
                                "qRcmd,0a", "qRcmd,xx", "qRcmd,6g", "mfffffffffffffffff,1"};
    for (u32 i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(parse(bad[i]).kind, GDB_BAD);
}

static void test_monitor(void **state)
{
    (void)state;
    struct gdb_command c = parse("qRcmd,77616C6b2031303030");
    char many[200] = "qRcmd,";
    assert_int_equal(c.kind, GDB_MONITOR);
    assert_string_equal(c.words, "walk 1000");
    for (u32 i = 0; i < sizeof c.words - 1; i++)
        strcat(many, "61");
    assert_int_equal(parse(many).kind, GDB_MONITOR);
    strcat(many, "61");
    assert_int_equal(parse(many).kind, GDB_BAD);
}

static void test_replies(void **state)
{
    (void)state;
    static struct gdb_text t;
    gdb_clear(&t);
    gdb_add(&t, "OK");
    assert_int_equal(gdb_checksum(&t), 0x9a);
    gdb_clear(&t);
    gdb_add_register(&t, 0x1122334455667788, 8);
    gdb_add_register(&t, 0x46, 4);
    gdb_add_register(&t, 0x46, 10);
    assert_string_equal(t.text, "887766554433221146000000"
                                "46000000000000000000");
    gdb_clear(&t);
    gdb_add_hex(&t, 0);
    gdb_add_hex(&t, ~0ull);
    gdb_add_number(&t, 0);
    gdb_add_number(&t, ~0ull);
    assert_string_equal(t.text, "0x00xffffffffffffffff018446744073709551615");
    for (u32 i = 0; i < GDB_REPLY_MAX; i++)
        gdb_add(&t, "x");
    assert_int_equal(t.len, GDB_REPLY_MAX - 1);
    assert_int_equal(strlen(t.text), t.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets),  cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_length),   cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_operands), cmocka_unit_test(test_monitor),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
