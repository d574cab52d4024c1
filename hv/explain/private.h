/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share. Each writes parts of a log line. */
#ifndef HV_EXPLAIN_PRIVATE_H
#define HV_EXPLAIN_PRIVATE_H

#include "hv/explain/explain.h"

/* ---- words.c ---- */

/* What a processor allows in a field whatever the other fields are. */
struct allowed {
    u64 must_be_1, may_be_1;
};
struct allowed explain_allowed(const struct check_cpu *c, enum vmcs_field f);
/* Writes "; name=value", the bits by name, and which of them the processor does not allow. */
void explain_field(const struct check_cpu *c, enum vmcs_field f, u64 value);

/* ---- mend.c ---- */

/* The fields that the rule reads, those that it is about first; F_COUNT ends the list. */
const u8 *explain_fields(enum rule_id rule);
/* True when *v breaks the rule. */
bool explain_breaks(const struct vmcs_image *v, const struct check_env *env, enum rule_id rule);
/* Finds a change of one field that makes *v keep the rule and break no rule that it keeps now.
 * Returns the field, and *value is to be its value; or F_COUNT. Changes *v and puts it back. */
enum vmcs_field explain_mend(struct vmcs_image *v, const struct check_env *env, enum rule_id rule,
                             u64 *value);

/* ---- fail.c ---- */

/* Writes where in L1: its RIP and the current VMCS. */
void explain_place(struct cpu *cpu);

#endif
