/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCSs of L1's that are active: from VMPTRLD to VMCLEAR. L0 keeps the last few, each with its
 * working copy and a vmcs02 of its own. So an L1 that goes from one to another by VMPTRLD, as one
 * does with many virtual processors, finds each as it left it, and the short path goes on. In an
 * active VMCS that is not current nothing moves: it is AT_HOME or SHOWN (residence.c), and L1
 * reaches none of its fields.
 *
 * A shadow VMCS is not kept when another becomes current: L2 may reach it through L1's page
 * (shadow12.c).
 * SDM 3C 25.11.1 "Software Use of Virtual-Machine Control Structures"
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/images/images.h"
#include "hv/vmx/guestmem.h"

struct active *active_find(struct nested *n, gpa1_t at)
{
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++)
        if (n->active[i].at.a == at.a)
            return &n->active[i];
    return NULL;
}

/* A free place, or that of the VMCS that was current least recently. */
static struct active *oldest(struct nested *n)
{
    struct active *a = &n->active[1];
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++) {
        if (n->active[i].at.a == NO_VMCS)
            return &n->active[i];
        if (n->active[i].used_at < a->used_at)
            a = &n->active[i];
    }
    return a;
}

static void forget(struct cpu *cpu, struct active *a)
{
    residence_take(cpu, a);
    a->at = GPA1(NO_VMCS);
    a->page = NULL;
    a->told = a->path.ready = false;
    a->wide = 0;
}

/* Without memory there the image is lost, as on the CPU. L1 may not write to the region of an
 * active VMCS. If another revision is there, L1 has most likely made the region anew, and it
 * counts. */
static void put_back(struct cpu *cpu, struct active *a)
{
    struct active *now = cpu->nested->now;
    u8 *page = gpa1_map(cpu, a->at);
    cpu->nested->now = a;
    shadow01_pull(cpu);
    cpu->nested->now = now;
    forget(cpu, a);
    if (page && *(u32 *)page == a->vmcs12.revision)
        vmcs12_store_page(&a->vmcs12, page);
}

static void make_current(struct cpu *cpu, struct active *a)
{
    struct nested *n = cpu->nested;
    n->now = a;
    a->used_at = ++n->clock;
    if (!a->told && a->residence == AT_HOME)
        shadow01_push(cpu);
    else if (n->can_shadow01)
        shadow_show(cpu, a->residence == SHOWN ? shown_vmcs(n, a) : &a->shadow01);
}

void active_end(struct cpu *cpu, struct active *a)
{
    struct nested *n = cpu->nested;
    put_back(cpu, a);
    if (a == n->now)
        make_current(cpu, n->active);
}

void active_clear(struct cpu *cpu, gpa1_t at)
{
    struct active *a = active_find(cpu->nested, at);
    struct vmcs_image *page = gpa1_map(cpu, at);
    if (a) { /* another processor that loads the page meanwhile finds it clear */
        a->vmcs12.launch_state = LAUNCH_CLEAR;
        active_end(cpu, a);
    }
    if (page)
        page->launch_state = LAUNCH_CLEAR;
}

void active_end_others(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    for (u32 i = 1; i <= ACTIVE_VMCSS; i++)
        if (n->active[i].at.a != NO_VMCS && &n->active[i] != n->now)
            put_back(cpu, &n->active[i]);
}

void active_end_all(struct cpu *cpu)
{
    active_end_others(cpu);
    if (cpu->nested->now != cpu->nested->active)
        active_end(cpu, cpu->nested->now);
}

/* The page is memory, because VMPTRLD has just found the right revision there. */
static struct active *load_page(struct cpu *cpu, gpa1_t at)
{
    struct active *a = oldest(cpu->nested);
    if (a->at.a != NO_VMCS)
        put_back(cpu, a);
    a->at = at;
    a->page = gpa1_map(cpu, at);
    ASSERT(a->page != NULL);
    vmcs12_load_page(&a->vmcs12, a->page);
    a->settled = 0;
    return a;
}

/* L1 makes another VMCS current. */
static void leave_current(struct cpu *cpu)
{
    struct active *now = cpu->nested->now;
    if (now->page && any(now->vmcs12.revision, VMCS_SHADOW_INDICATOR))
        put_back(cpu, now);
}

/* VMPTRLD took the address once, and the VMXON region is elsewhere. As in put_back, another
 * revision than that of the working copy says that the region counts. */
bool active_resume(struct cpu *cpu, gpa1_t at)
{
    struct nested *n = cpu->nested;
    struct active *now = n->now, *a = at.a == now->at.a ? now : active_find(n, at);
    if (!a || !a->page || *(const volatile u32 *)a->page != a->vmcs12.revision ||
        at.a == cpu->apic_page.a)
        return false;
    if (a != now) {
        leave_current(cpu);
        make_current(cpu, a);
    }
    return true;
}

void active_load(struct cpu *cpu, gpa1_t at)
{
    struct nested *n = cpu->nested;
    if (n->now->at.a == at.a)
        return;
    leave_current(cpu);
    struct active *a = active_find(n, at);
    if (a)
        put_back(cpu, a); /* another revision is there: L1 has made the region anew */
    make_current(cpu, load_page(cpu, at));
}
