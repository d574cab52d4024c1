/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in sleep.h. ACPI 5.2.9 "Fixed ACPI Description Table (FADT)", 7.4.2 "\_Sx (System
 * States)", 20.2 "AML Grammar Definition" */
#include "boot/sleep.h"

#include "boot/bytes.h"

enum {
    DSDT = 40, /* offsets in the FADT */
    PM1A_EVT = 56,
    PM1A_CNT = 64,
    PM1B_CNT = 68,
    FLAGS = 112,
    X_DSDT = 140,
    X_PM1A_EVT = 148,
    X_PM1A_CNT = 172,
    X_PM1B_CNT = 184,
    FADT_V1_SIZE = 116,
    SPACE_IO = 1, /* a generic address: the space, three more bytes, the address */
    GENERIC_SIZE = 12,
    GENERIC_ADDRESS = 4,
    HW_REDUCED = 1 << 20,
    NAME_OP = 0x08, /* AML */
    ROOT_CHAR = '\\',
    PACKAGE_OP = 0x12,
    BYTE_PREFIX = 0x0a,
    WORD_PREFIX = 0x0b,
    DWORD_PREFIX = 0x0c,
};

/* ---- the FADT -------------------------------------------------------------------------------- */

/* A register that the FADT names twice: the longer form counts where it is filled in. */
static u16 port(const u8 *fadt, u32 size, u32 form1, u32 form2, struct sleep_found *s)
{
    u64 at = little_endian(fadt + form1, 4);
    if (size >= form2 + GENERIC_SIZE && little_endian(fadt + form2 + GENERIC_ADDRESS, 8)) {
        at = little_endian(fadt + form2 + GENERIC_ADDRESS, 8);
        s->unreachable |= fadt[form2] != SPACE_IO;
    }
    s->unreachable |= at > 0xfffe;
    return (u16)at;
}

u64 sleep_ports(const u8 *fadt, u32 size, struct sleep_found *s)
{
    if (size < FADT_V1_SIZE || !has_signature(fadt, "FACP"))
        return 0;
    s->fadt = true;
    s->at.status = port(fadt, size, PM1A_EVT, X_PM1A_EVT, s);
    s->at.control[0] = port(fadt, size, PM1A_CNT, X_PM1A_CNT, s);
    s->at.control[1] = port(fadt, size, PM1B_CNT, X_PM1B_CNT, s);
    s->unreachable |= (little_endian(fadt + FLAGS, 4) & HW_REDUCED) != 0;
    u64 dsdt = size >= X_DSDT + 8 ? little_endian(fadt + X_DSDT, 8) : 0;
    return dsdt ? dsdt : little_endian(fadt + DSDT, 4);
}

/* ---- AML ------------------------------------------------------------------------------------- */

struct bytes {
    const u8 *at;
    u32 left;
};

static bool take(struct bytes *b, u32 bytes, u64 *v)
{
    if (b->left < bytes)
        return false;
    *v = little_endian(b->at, bytes);
    b->at += bytes;
    b->left -= bytes;
    return true;
}

/* An integer constant. ZeroOp and OneOp are their own values. */
static bool take_integer(struct bytes *b, u64 *v)
{
    if (!take(b, 1, v))
        return false;
    switch (*v) {
    case BYTE_PREFIX:
        return take(b, 1, v);
    case WORD_PREFIX:
        return take(b, 2, v);
    case DWORD_PREFIX:
        return take(b, 4, v);
    default:
        return *v < 2;
    }
}

/* The package's first two numbers, or its one number, whose bytes are both. */
static bool take_types(struct bytes *b, u64 type[2])
{
    u64 op, length, count;
    if (!take(b, 1, &op) || op != PACKAGE_OP || !take(b, 1, &length))
        return false;
    u64 more;
    if (!take(b, (u32)length >> 6, &more) || !take(b, 1, &count) || !take_integer(b, &type[0]))
        return false;
    if (count > 1)
        return take_integer(b, &type[1]);
    type[1] = type[0] >> 8;
    return true;
}

static bool is_sleep_name(const u8 *at)
{
    return at[0] == '_' && at[1] == 'S' && at[2] >= '1' && at[2] <= '5' && at[3] == '_';
}

void sleep_types(const u8 *table, u32 size, struct sleep_found *s)
{
    for (u32 i = 2; i < size && size - i >= 4; i++) {
        bool named =
            table[i - 1] == NAME_OP || (table[i - 1] == ROOT_CHAR && table[i - 2] == NAME_OP);
        struct bytes b = {table + i + 4, size - i - 4};
        u64 type[2];
        if (!named || !is_sleep_name(table + i) || !take_types(&b, type))
            continue;
        u8 *set = table[i + 2] == '2' || table[i + 2] == '3' ? s->lost : s->kept;
        set[0] |= (u8)(1u << (type[0] & 7));
        set[1] |= (u8)(1u << (type[1] & 7));
    }
}

/* ---- */

/* A type that is another state's as well must pass: the machine could not be switched off. */
const char *sleep_settle(struct sleep_found *s, bool *needless)
{
    *needless = true;
    for (u32 i = 0; i < 2; i++)
        s->at.types[i] = s->at.control[i] ? s->lost[i] & (u8)~s->kept[i] : 0;
    if (!s->fadt)
        return "no FADT";
    if (!s->lost[0])
        return "the machine has none";
    *needless = false;
    if (s->unreachable || !s->at.status || !s->at.control[0])
        return "its registers are no ports";
    return s->at.types[0] ? NULL : "its type is another state's as well";
}
