/* The random-VMCS differential, 2,000 cases of one seed; lib/vmx_random.h tells how
 * to run others. */
#include "guest-tests/lib/vmx_random.h"

TEST_MAIN(vmx_random)
{
    vmx_random(1, 0, 2000);
}
