/* The stale-translation suite with translations as the SDM lets a machine keep them (tlb=default).
 * All of it is in lib/vmx_stale.c. */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_stale.h"

TEST_MAIN(ept_stale)
{
    stale_suite(STALE_MAY);
}
