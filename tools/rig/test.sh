#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# test.sh [long]: everything that can be checked here, stage by stage. A stage's last line "N passed, M failed"
# counts; one that ends badly without a count is one failure. Logs: build/test/STAGE.log.
set -u
cd "$(dirname "$0")/../.."
long=${1:-}
mkdir -p build/test
passed=0 failed=0 table=""
begin=$SECONDS

stage() { # NAME COMMAND...
    local start=$SECONDS log=build/test/$1.log rc
    echo "== $1"
    "${@:2}" 2>&1 | tee "$log" | grep --line-buffered -vE '^  [A-Z]{2,} '     # compiler lines only in the log
    rc=${PIPESTATUS[0]}
    count "$1" "$rc" $((SECONDS - start))
}

count() { # NAME STATUS SECONDS
    local good=0 bad=0 line
    [ "$2" != 130 ] || { echo "interrupted"; exit 130; }
    line=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "build/test/$1.log" | tail -n 1)
    [ -z "$line" ] || read -r good _ bad _ <<<"$line"
    [ "$2" = 0 ] || [ "$bad" != 0 ] || bad=1
    passed=$((passed + good)) failed=$((failed + bad))
    table+=$(printf '%-10s %5d s %6d passed %4d failed' "$1" "$3" "$good" "$bad")$'\n'
    return "$bad"
}

# A stage that runs one emulator after another: two such run side by side. `together` waits for them, and tells.
besides=()
beside() { # NAME COMMAND...
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    besides+=("$1")
    ( start=$SECONDS
        "${@:2}" >"build/test/$1.log" 2>&1 &
        trap "kill $!; wait $!" TERM
        wait $!
        echo "$? $((SECONDS - start))" >"build/test/$1.end" ) &
}

together() {
    local name
    wait
    for name in "${besides[@]}"; do
        echo "== $name"
        cat "build/test/$name.log"
        count "$name" $(cat "build/test/$name.end")
    done
    besides=()
}

stop() { printf '\n%s\n%d passed, %d failed\n' "$table" $passed $failed; exit 1; }

trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT
stage setup tools/make/setup.sh test || stop
stage build make -s -j2 --no-print-directory images size || stop
stage host make -s -j2 --no-print-directory check
[ -z "$long" ] || stage report-fuzz env REPORT_FUZZ=20000 SEED=$RANDOM tests/host/report_test.py
stage lint make -s --no-print-directory lint
stage fuzz make -s -j2 --no-print-directory fuzz FUZZ_SECONDS=${FUZZ_SECONDS:-$([ "$long" ] && echo 300 || echo 3)}
[ -z "$long" ] || stage planted make -s --no-print-directory planted
stage dist tools/make/dist.sh test
[ -z "$long" ] || stage coverage make -s -j2 --no-print-directory cov
stage payload tools/make/payload.sh
stage guest tools/rig/guest_tests.py ${long:+--long}
[ -z "$long" ] || stage depth-1 tools/rig/guest_tests.py --depth 1 --out build/guest-depth-1
stage depth-2 tools/rig/guest_tests.py --depth 2 --out build/guest-depth-2 $([ "$long" ] || echo t_cpuid t_cr t_exc t_io t_step t_vmx_launch t_vmx_hostile)
stage probe tools/rig/probe_test.py
stage examples tools/rig/examples_test.py
stage ends tools/rig/ends_test.py
# A newer processor of the same emulator, in short; the rest of them, on the second emulator, in `models`.
stage skylake_x env MODEL=skylake_x tools/rig/guest_tests.py --out build/guest-skylake_x t_alive t_cpuid t_vmx_launch t_vmx_exits t_vmx_insn t_vmx_fields
# Several processors, on the emulator that takes an INIT back (docs/CAVEATS.md, bochs-init-pending).
if tools/make/setup.sh bochs3 >/dev/null; then
    stage smp env CPUS=4 tools/rig/guest_tests.py --out build/guest-smp 't_smp_*'
    # A Nidus in Nidus on two processors; the tests run on the second.
    stage smp-depth-1 env CPUS=2 CPU=1 tools/rig/guest_tests.py --depth 1 --out build/guest-smp-depth-1 t_vmx_launch t_vmx_insn
    stage debug-smp tools/rig/debug_test.py several init
    # It has the monitor trap flag.
    stage debug-skylake_x env BOCHS=3.0 MODEL=skylake_x tools/rig/debug_test.py ports
    stage trace-smp tools/trace/trace_test.py smp2 cpu slow stuck ${long:+smp4 kvm2}
    stage linux-smp env CPUS=$([ "$long" ] && echo 4 || echo 2) tools/rig/linux_test.py
    [ -z "$long" ] || stage smp-ring env CPUS=4 tools/rig/guest_tests.py --out build/guest-smp-ring --args hops=10000 t_smp_ring t_smp_l2
    [ -z "$long" ] || stage probe-3.0 env BOCHS=3.0 tools/rig/probe_test.py
    [ -z "$long" ] || stage linux-smp-depth-1 env CPUS=2 DEPTH=1 tools/rig/linux_test.py
    [ -z "$long" ] || stage linux-stress env CPUS=4 tools/rig/linux_test.py stress "${STRESS_SEED:-1}"
    [ -z "$long" ] || stage on-cpu-1 env CPUS=2 CPU=1 tools/rig/guest_tests.py --out build/guest-on-cpu-1
else
    echo "skip  smp: no Bochs 3.0 (tools/make/setup.sh bochs3 says why)"
fi
[ -z "$long" ] || stage models make -s --no-print-directory models
# The trace changes nothing but time, which t_vmx_timer bounds (docs/CAVEATS.md, trace-time).
[ -z "$long" ] || stage trace=all tools/rig/guest_tests.py --with trace=all --bare-of build/guest --without t_vmx_timer --out build/guest-trace=all \
    t_alive t_cpuid t_cr t_exc t_io t_msr t_step 't_vmx_*' 't_ept_*'
[ -z "$long" ] || stage planted-guest make -s --no-print-directory planted-guest
[ -z "$long" ] || stage mutants make -s --no-print-directory mutants
[ -z "$long" ] || stage stress=restore tools/rig/guest_tests.py --with stress=restore --bare-of build/guest --out build/guest-restore \
    t_vmx_launch t_vmx_exits t_vmx_fields t_vmx_ept
# 1,000 further seeds: some hours.
[ -z "$long" ] || stage hostile tools/rig/hostile.py 1001 --seeds "${HOSTILE_SEEDS:-1000}" --steps 10000
# The audits look after each exit: a seed takes a minute.
[ -z "$long" ] || stage hostile-crowd tools/rig/hostile.py 1001 --crowd --seeds "${CROWD_SEEDS:-30}" --with stress=paranoid \
    --limit 3000 --out build/hostile-crowd
stage linux tools/rig/linux_test.py
[ -z "$long" ] || stage linux-sleep tools/rig/linux_test.py sleep
stage kvm tools/rig/kvm_test.py ${long:+long}
[ -z "$long" ] || { stage qemu-image tools/make/payload.sh qemu && stage kvm-qemu tools/rig/kvm_test.py qemu; }
[ -z "$long" ] || [ ! -x .bochs3/bochs ] || stage kvm-qemu-smp env CPUS=2 tools/rig/kvm_test.py qemu
[ -z "$long" ] || { stage xen-files tools/make/payload.sh xen && stage xen tools/rig/xen_test.py; }
[ -z "$long" ] || { stage sign tools/make/setup.sh sign && stage stick-linux tools/make/payload.sh stick; }
if command -v sbsign sbverify >/dev/null; then
    stage signatures tools/make/sign_test.sh
else
    echo "skip  signatures: no sbsigntool (tools/make/setup.sh sign installs it)"
fi
stage stick tools/rig/stick_test.py ${long:+long}
# The menu's launch as other processors; and Haswell, which `models` leaves out.
for m in ${long:+haswell_4770 skylake_x icelake_u tigerlake}; do
    stage "stick-$m" env MODEL="$m" tools/rig/stick_test.py bochs
done
[ -z "$long" ] || stage haswell env MODEL=haswell_4770 tools/rig/guest_tests.py --out build/guest-haswell_4770 't_vmx_*' 't_ept_*' t_alive t_cpuid t_cr t_exc t_mode
# Long ones first. What reuses the bare transcripts of `guest` is one emulator as well.
# t_ept_count is left out: it counts exits, and some of these options cost some. stress=restore moves all nested state at
# every exit and drops EPT02 with it: a test of many violations runs for minutes.
# In short without those that judge fields or encodings one by one: that is not the path's.
few=()
[ -n "$long" ] || few=(--without t_vmx_fields,t_vmx_msr_sweep,t_vmx_apic_sweep,t_vmx_insn,t_vmx_operand,t_vmx_walk)
for extra in fast=off ${long:+shadow=off stress=remerge,paranoid,flush,evict tlb=strict tlb=eager}; do
    beside "$extra" tools/rig/guest_tests.py -j 1 --with "$extra" --bare-of build/guest --out "build/guest-$extra" "${few[@]}" 't_vmx_*' \
        t_ept_perm t_ept_misconfig t_ept_stale t_ept_event t_ept_vpid t_ept_ve t_ept_pool t_ept_modes
done
beside paranoid tools/rig/guest_tests.py -j 1 --with stress=paranoid --bare-of build/guest --out build/guest-paranoid t_exc t_step t_nmi t_task_hostile t_redeliver_real \
    t_vmx_launch t_vmx_entry_msr t_vmx_nowhere t_vmx_interrupt t_vmx_hands t_ept_event t_ept_vpid
beside debug tools/rig/debug_test.py magic memory gdb levels ports threshold panic
beside trace tools/trace/trace_test.py one filters first dump ${long:+depth} kvm
beside seen tools/rig/seen_test.py
beside session tools/rig/session_test.py
beside broadwell tools/rig/guest_tests.py -j 1 ${long:+--long} --profile broadwell --out build/guest-broadwell --bare-of build/guest
beside ept01 tools/rig/ept01_test.py
beside tell tools/rig/tell_test.py
together
stage refusals tools/rig/refusals.py ${long:+--long}
stage vtd tools/rig/vtd_test.py ${long:+--long}
printf '\n%s%-10s %5d s\n%d passed, %d failed\n' "$table" total $((SECONDS - begin)) $passed $failed
[ $failed = 0 ]
