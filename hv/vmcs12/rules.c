/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The texts of rules.def. Names and sentences stand in structs of character arrays, and 16-bit
 * offsets lead to them. So the tables hold no pointers and need no relocation.
 */
#include "hv/vmcs12/check.h"

enum section {
#define SECTION(name, number, title) SECTION_##name,
#define RULE(id, stage, section, text)
#include "hv/vmcs12/rules.def"
};

#define SECTION(name, number, title)
#define RULE(id, stage, section, text) char id[sizeof(#id)];
static const struct rule_names {
#include "hv/vmcs12/rules.def"
} names = {
#define SECTION(name, number, title)
#define RULE(id, stage, section, text) #id,
#include "hv/vmcs12/rules.def"
};

#define SECTION(name, number, title)
#define RULE(id, stage, section, text) char id[sizeof(text)];
static const struct rule_texts {
#include "hv/vmcs12/rules.def"
} texts = {
#define SECTION(name, number, title)
#define RULE(id, stage, section, text) text,
#include "hv/vmcs12/rules.def"
};

#define SECTION(name, number, title) \
    char name##_number[sizeof(number)], name##_title[sizeof(title)];
#define RULE(id, stage, section, text)
static const struct section_texts {
#include "hv/vmcs12/rules.def"
} sections = {
#define SECTION(name, number, title) number, title,
#define RULE(id, stage, section, text)
#include "hv/vmcs12/rules.def"
};

/* clang-format off */
static const struct {
    u16 name, text;
    u8 stage, section;
} rows[R_COUNT] = {
#define SECTION(name, number, title)
#define RULE(id, stage, section, text)                                                         \
    {offsetof(struct rule_names, id), offsetof(struct rule_texts, id), STAGE_##stage,          \
     SECTION_##section},
#include "hv/vmcs12/rules.def"
};

static const struct {
    u16 number, title;
} section_rows[] = {
#define SECTION(name, number, title)                                                           \
    {offsetof(struct section_texts, name##_number),                                            \
     offsetof(struct section_texts, name##_title)},
#define RULE(id, stage, section, text)
#include "hv/vmcs12/rules.def"
};
/* clang-format on */

const char *rule_name(enum rule_id rule)
{
    return (const char *)&names + rows[rule].name;
}

const char *rule_text(enum rule_id rule)
{
    return (const char *)&texts + rows[rule].text;
}

const char *rule_section_number(enum rule_id rule)
{
    return (const char *)&sections + section_rows[rows[rule].section].number;
}

const char *rule_section_title(enum rule_id rule)
{
    return (const char *)&sections + section_rows[rows[rule].section].title;
}

enum rule_stage rule_stage(enum rule_id rule)
{
    return (enum rule_stage)rows[rule].stage;
}
