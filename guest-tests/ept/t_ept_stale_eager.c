/* The stale-translation suite with translations dropped whenever the SDM allows (tlb=eager).
 * All of it is in lib/vmx_stale.c. */
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_stale.h"

TEST_MAIN(ept_stale_eager)
{
    stale_suite(STALE_DROPS);
}
