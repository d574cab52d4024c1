# SPDX-License-Identifier: BSD-2-Clause
# Nidus: one flat Makefile. `make` builds everything and runs the host tests; see README.md.
# Output is terse; V=1 shows the commands. Everything built lands in build/.

B    := build
CC   ?= gcc
HOSTCC ?= $(CC)
NASM ?= nasm
Q    := $(if $(filter 1,$(V)),,@)
say   = $(if $(filter 1,$(V) $(QUIET)),,@printf '  %-8s %s\n' "$(1)" "$(2)")

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
INC  := -I.

# ---- sources (found, not listed: a new file only has to be in the right folder) ----------
PURE_SRC := $(wildcard hv/vmcs12/*.c hv/ept/*.c hv/arch/*.c hv/ring/*.c hv/screen/*.c) hv/explain/bit_names.c $(addprefix hv/saved/,kvm_state.c layout.c)
# Pure as well, but of no use to the tool: the debugger's protocol. And of use to the tool alone.
WIRE_SRC := hv/wire/packet.c hv/wire/breakpoints.c
OPEN_SRC := $(addprefix tools/vmcs12/,open.c open_facts.c caps.c vmcs12_json.c)
CORE_SRC := $(sort $(wildcard hv/*.c hv/*/*.c hv/*/*/*.c))
CORE_ASM := $(wildcard hv/*/*.asm)
BOOT_SRC := $(wildcard boot/*.c)
BOOT_PURE := $(addprefix boot/,line.c text.c words.c options.c option_keys.c require.c madt.c mptable.c tables.c spec.c status.c stage.c errata.c ept01.c sleep.c ucode.c dmar.c vtd_tables.c vtd_unit.c) \
  hv/vtd/fault.c
BOOT_ASM := $(wildcard boot/*.asm)
# A program is named after its source; the folder it is in, if any, is for the reader.
GT_SRC   := $(wildcard $(foreach d,guest-tests guest-tests/*,$(d)/t_*.c $(d)/pre_*.c $(d)/bench_*.c $(d)/bench.c))
GT_EFI   := $(addprefix $(B)/,$(notdir $(GT_SRC:.c=.efi)))
STICK_EFI := $(addprefix $(B)/,menu.efi vmcs-probe.efi machine.efi cycles.efi)
EX_EFI   := $(patsubst examples/%.c,$(B)/%.efi,$(wildcard examples/*.c))
GT_LIB   := $(wildcard guest-tests/lib/*.c)
GT_ASM   := $(wildcard guest-tests/lib/*.asm)
UNIT_SRC := $(wildcard tests/host/h_*.c)

.PHONY: all images size check run help test test-long guest bench linux kvm kvm-qemu bench-kvm xen models examples debug ends hostile seen tell trace-test trace-pictures refusals vtd lint order spdx usb stick dist fuzz cov planted planted-guest mutants setup-run setup-web web web-syntax web-test payload clean distclean
all: images size check
images: $(B)/nidus.efi $(GT_EFI) $(EX_EFI) $(B)/chain.efi $(B)/tables.efi $(STICK_EFI)

# ---- the version: of this tree, and the commit that it is ---------------------------------
COMMIT := $(or $(NIDUS_COMMIT),$(shell git describe --always --dirty --exclude='*' 2>/dev/null),unknown)
VERSION_TEXT := $(shell cat VERSION) ($(COMMIT))
# Written when it changes; what prints it is then built anew.
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION_TEXT)' | cmp -s - $@ || echo '$(VERSION_TEXT)' > $@
FORCE:
.PHONY: FORCE

# ---- the core: freestanding, fixed high address, general registers only -------------------
# No indirect branch that a predictor could send elsewhere: retpolines, and no jump tables. Lint looks for others.
RETPOLINE := -fno-jump-tables $(if $(findstring clang,$(shell $(CC) --version)),-mretpoline,-mindirect-branch=thunk)
CORE_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
  -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-common -fno-pic -fno-pie -mcmodel=kernel \
  -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fomit-frame-pointer \
  -ffunction-sections -fdata-sections $(RETPOLINE) $(WARN)
CORE_OBJ := $(CORE_SRC:%.c=$(B)/core/%.o) $(CORE_ASM:%.asm=$(B)/core/%.asm.o)

$(B)/core/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) $(INC) -MMD -MP -c $< -o $@

# Assembly learns every number from C: tools/make/offsets.c is compiled to text and filtered.
$(B)/offsets.inc: tools/make/offsets.c
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) $(INC) -MMD -MP -MF $(B)/offsets.d -MT $@ -S $< -o $(B)/offsets.s
	$(Q)sed -nE 's/.*"?->([A-Za-z_0-9]+) \$$?(-?[0-9]+).*/%define \1 \2/p' $(B)/offsets.s > $@

$(B)/core/%.asm.o: %.asm $(B)/offsets.inc
	$(call say,NASM,$<)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -I$(B)/ -MD $(@:.o=.d) $< -o $@

$(B)/core.elf: linker.ld $(CORE_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	  -Wl,-z,noexecstack -Wl,--gc-sections -Wl,-T,linker.ld $(CORE_OBJ) -o $@

$(B)/core.bin: $(B)/core.elf
	$(Q)objcopy -O binary $< $@

# The bar of the walking skeleton was 64 KiB, that of the nested core 192. Retpolines, the allow-lists of MSRs and CPUID,
# the judge of L0's own VMCSs and the audits of stress=paranoid took 17 more. The short path between L1 and L2, which is
# straight code over the fields, took 9; several processors, and the rules for fields of newer ones, 12. What tells an
# author of a hypervisor what is wrong (explanations with the names of bits and fields, stale translations) took 14, the
# trace 8: data and code that no exit touches unless its option is on.
# The debugger on COM2, which only gdb= starts, took 14; the way back from a launch that fails, the screen and the ring 8.
# The shadow VMCS with all of L2's state, and what a Nidus inside another one does instead, straight code again, took 10;
# the door between L2 and L1 with all that it needs in line 2, that of VMWRITE 2, the short fill 3. The debugger's own ports
# and breakpoints by level took 2.
CORE_LIMIT_KIB := 308
size: $(B)/core.elf
	@size $< | awk -v limit=$(CORE_LIMIT_KIB) 'NR == 2 { kib = ($$1 + $$2) / 1024; \
	  printf "core: %.1f KiB text and data (limit %d)\n", kib, limit; exit kib > limit }'
	@tools/make/lines.sh

# ---- UEFI programs (GNU-EFI) ---------------------------------------------------------------
EFI_LDS := /usr/lib/elf_x86_64_efi.lds
EFI_CRT := /usr/lib/crt0-efi-x86_64.o
EFI_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fpic -fshort-wchar -mno-red-zone -mgeneral-regs-only \
  -fno-stack-protector -fno-strict-aliasing -fcf-protection=none -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 \
  -DGNU_EFI_USE_MS_ABI -DHAVE_USE_MS_ABI -Wall -Wextra -Wshadow -Werror
EFI_LDFLAGS := -nostdlib -znoexecstack -znocombreloc -shared -Bsymbolic -L/usr/lib -T $(EFI_LDS) $(EFI_CRT)
EFI_LIBS := -lefi -lgnuefi
EFI_SECTIONS := $(foreach s,.text .sdata .data .dynamic .dynsym .rel .rela .reloc .rodata .sbat,-j $(s))

$(B)/efi/boot/efi_main.o: EFI_CFLAGS += -DNIDUS_VERSION='"version $(VERSION_TEXT)"'
$(B)/efi/boot/efi_main.o: $(B)/version
$(B)/efi/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/efi/%.asm.o: %.asm $(if $(wildcard tools/make/offsets.c),$(B)/offsets.inc)
	$(call say,NASM,$<)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -I$(B)/ -MD $(@:.o=.d) $< -o $@

define efi_link
	$(call say,EFI,$@)
	$(Q)ld $(EFI_LDFLAGS) $(1) -o $(@:.efi=.so) $(EFI_LIBS)
	$(Q)objcopy $(EFI_SECTIONS) --target=efi-app-x86_64 --subsystem=$(or $(EFI_SUBSYSTEM),10) $(@:.efi=.so) $@
	$(Q)tools/make/nxcompat.py $@
endef

BOOT_OBJ := $(BOOT_SRC:%.c=$(B)/efi/%.o) $(B)/efi/hv/ring/ring.o $(B)/efi/hv/vtd/fault.o $(BOOT_ASM:%.asm=$(B)/efi/%.asm.o)
$(B)/efi/boot/core_blob.asm.o: $(B)/core.bin
$(B)/efi/boot/sbat.asm.o: boot/sbat.csv
$(B)/nidus.efi: $(BOOT_OBJ)
	$(call efi_link,$(BOOT_OBJ))

# The first program on the stick.
$(B)/menu.efi: $(patsubst %.c,$(B)/efi/%.o,$(wildcard boot/menu/*.c) guest-tests/lib/gt_format.c)
	$(call efi_link,$^)

GT_LIBOBJ := $(GT_LIB:%.c=$(B)/efi/%.o) $(GT_ASM:%.asm=$(B)/efi/%.asm.o)
$(foreach s,$(GT_SRC),$(eval $(B)/$(notdir $(s:.c=.efi)): $(B)/efi/$(s:.c=.o) $(GT_LIBOBJ)))
$(GT_EFI):
	$(call efi_link,$^)

# The layout probe: what is known of revision 0x12 is compiled in.
PROBE_OBJ := $(patsubst %.c,$(B)/efi/%.o,$(wildcard guest-tests/probe/*.c))
$(B)/probe_layout.inc: tests/data/broadwell_vmcs_layout.csv
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)awk -F, 'NR > 1 { printf "P(%s, \"%s\", \"%s\", %s)\n", $$1, $$2, $$3, $$4 == "" ? "NO_PLACE" : $$4 }' $< > $@
$(PROBE_OBJ): $(B)/probe_layout.inc
$(PROBE_OBJ): EFI_CFLAGS += -I$(B)
# What the stick's menu runs besides tests.
STICK_OBJ = $(patsubst %.c,$(B)/efi/%.o,$(wildcard guest-tests/stick/$(1)*.c))
$(B)/machine.efi: $(call STICK_OBJ,machine) $(GT_LIBOBJ)
	$(call efi_link,$^)
$(B)/cycles.efi: $(call STICK_OBJ,cycles) $(GT_LIBOBJ)
	$(call efi_link,$^)
$(B)/vmcs-probe.efi: $(PROBE_OBJ) $(GT_LIBOBJ)
	$(call efi_link,$^)

# L1s of a page, and what is wrong with some: README.
$(EX_EFI): $(B)/%.efi: $(B)/efi/examples/%.o
	$(call efi_link,$^)

# The rig's own loader: runs many programs in one boot.
$(B)/chain.efi: $(B)/efi/tools/rig/chain.o
	$(call efi_link,$^)

# ACPI tables for the emulator's firmware, where an operating system is to find several processors. A driver: it stays.
$(B)/tables.efi: EFI_SUBSYSTEM := 11
$(B)/tables.efi: $(B)/efi/tools/rig/tables.o $(B)/efi/tools/rig/waiting.o
	$(call efi_link,$^)

# ---- host tests: the pure folders under sanitizers, with cmocka ----------------------------
HOST_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(WARN)
TEST_LIB := $(wildcard tests/lib/*.c)
TEST_OBJ := $(TEST_LIB:%.c=$(B)/host/%.o) $(patsubst %.c,$(B)/host/%.o,$(PURE_SRC) $(OPEN_SRC) $(WIRE_SRC)) $(BOOT_PURE:%.c=$(B)/host/%.o)
UNIT_BIN := $(UNIT_SRC:tests/host/%.c=$(B)/unit/%)

$(B)/host/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/unit/%: $(B)/host/tests/host/%.o $(TEST_OBJ)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $^ -lcmocka -o $@
.PRECIOUS: $(B)/host/%.o

# ---- the host program vmcs12, and the same under sanitizers for its tests ------------------
TOOL_SRC := $(wildcard tools/vmcs12/*.c tools/vmcs12/why/*.c) $(PURE_SRC)
$(B)/tool/tools/vmcs12/vmcs12.o: TOOL_CFLAGS := -DTOOL_VERSION='"$(VERSION_TEXT)"'
$(B)/tool/tools/vmcs12/vmcs12.o: $(B)/version
$(B)/tool/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -ffunction-sections $(WARN) $(TOOL_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/vmcs12: $(TOOL_SRC:%.c=$(B)/tool/%.o)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -Wl,--gc-sections $^ -o $@

# ---- vmcs12 why as one web page, which needs no server: the same C, compiled to WebAssembly ----
WEB_SRC := $(wildcard tools/web/*.c) $(filter-out %/command.c %/as.c,$(wildcard tools/vmcs12/why/*.c)) \
  tools/vmcs12/vmcs12_decode.c $(OPEN_SRC) $(PURE_SRC)
WEB_CFLAGS := --target=wasm32 -std=gnu11 -O2 -ffreestanding -ffunction-sections -fdata-sections -nostdlibinc \
  -isystem tools/web/libc -I. -Wall -Wextra -Werror
web-syntax: # for lint: needs no linker
	$(Q)clang $(WEB_CFLAGS) -fsyntax-only $(WEB_SRC)
$(B)/web/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(WEB_CFLAGS) -MMD -MP -c $< -o $@
$(B)/web/why.wasm: $(WEB_SRC:%.c=$(B)/web/%.o)
	$(call say,WASM,$@)
	$(Q)wasm-ld --no-entry --gc-sections --strip-all -z stack-size=1048576 --export=web_input --export=web_why $^ -o $@
$(B)/why.html: tools/web/why.html tools/web/page.py $(B)/web/why.wasm
	$(call say,PAGE,$@)
	$(Q)tools/web/page.py tools/web/why.html $(B)/web/why.wasm > $@

$(B)/unit/vmcs12: $(TOOL_SRC:%.c=$(B)/host/%.o)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $^ -o $@

# ---- L0 whole on a processor made of memory: tests/machine -----------------------------------
# The sources of the core, but for those that are nothing but instructions, with tests/machine/fake.h ahead of each.
MACH_SRC := $(wildcard tests/machine/*.c) \
  $(filter-out $(PURE_SRC) $(BOOT_PURE) $(wildcard hv/gdb/*.c hv/ports/*.c hv/wire/*.c hv/autopsy/*.c) hv/paranoid/paranoid.c $(addprefix hv/core/,lib.c desc.c trap.c log.c),$(CORE_SRC))
MACH_INC := -Itests/machine/fake $(INC)
$(B)/host/mach/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(MACH_INC) -include tests/machine/fake.h -MMD -MP -c $< -o $@

# What reads and judges dumps, for its tests.
WHY_SRC := $(filter-out %/command.c,$(wildcard tools/vmcs12/why/*.c)) \
  tools/vmcs12/vmcs12_decode.c tools/vmcs12/vmcs12_file.c
WHY_UNIT := $(patsubst tests/host/%.c,%,$(wildcard tests/host/h_why*.c))
$(WHY_UNIT:%=$(B)/unit/%): $(WHY_SRC:%.c=$(B)/host/%.o)

$(B)/unit/h_stick_compare: $(B)/host/boot/menu/compare.o
$(B)/unit/h_stick_entry: $(B)/host/boot/menu/entry.o

MACH_UNIT := h_transition h_short h_hardware h_machine_event h_ept01 h_plain_walk h_machines
$(MACH_UNIT:%=$(B)/host/tests/host/%.o): HOST_CFLAGS += -Itests/machine/fake -include tests/machine/fake.h
$(MACH_UNIT:%=$(B)/unit/%): $(MACH_SRC:%.c=$(B)/host/mach/%.o)

check: $(UNIT_BIN) $(B)/unit/vmcs12 $(B)/vmcs12
	$(Q)CC=$(HOSTCC) tests/host/unit.sh $(B) $(UNIT_BIN)

# ---- fuzzing and coverage: the pure sources only -------------------------------------------
# Short inside `make test`; FUZZ_SECONDS=3600 make fuzz for a real hunt. Finds are kept in build/fuzz.
FUZZ_SECONDS ?= 60
FUZZ_SRC := $(wildcard tests/fuzz/f_*.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/%.o,$(TEST_LIB) $(PURE_SRC) $(OPEN_SRC) $(WIRE_SRC) $(BOOT_PURE))
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fno-sanitize-recover=all -Wall -Wextra -Werror

$(B)/fuzz/%.o: %.c
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined $(INC) -MMD -MP -c $< -o $@

$(B)/fuzz/mach/%.o: %.c
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined $(MACH_INC) -include tests/machine/fake.h -MMD -MP -c $< -o $@

$(B)/fuzz/tests/fuzz/f_transition.o: FUZZ_CFLAGS += -Itests/machine/fake -include tests/machine/fake.h
$(B)/fuzz/f_transition: $(MACH_SRC:%.c=$(B)/fuzz/mach/%.o)
$(FUZZ_BIN): $(B)/fuzz/%: $(B)/fuzz/tests/fuzz/%.o $(FUZZ_OBJ)
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined $^ -lcmocka -o $@
$(B)/fuzz/f_why: $(WHY_SRC:%.c=$(B)/fuzz/%.o)
$(B)/fuzz/f_tool: $(patsubst %.c,$(B)/fuzz/%.o,$(wildcard tools/vmcs12/why/*.c))
.PRECIOUS: $(B)/fuzz/%.o

fuzz: $(FUZZ_BIN)
	$(Q)tools/make/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_BIN)

COV_OBJ := $(patsubst %.c,$(B)/cov/%.o,$(TEST_LIB) $(PURE_SRC) $(OPEN_SRC) $(WIRE_SRC) $(BOOT_PURE))
COV_BIN := $(patsubst tests/host/%.c,$(B)/cov/%,$(filter-out tests/host/h_stick_compare.c tests/host/h_stick_entry.c $(MACH_UNIT:%=tests/host/%.c) $(WHY_UNIT:%=tests/host/%.c),$(UNIT_SRC)))
$(B)/cov/%.o: %.c
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu11 -O0 -g --coverage $(INC) -MMD -MP -c $< -o $@

$(COV_BIN): $(B)/cov/%: $(B)/cov/tests/host/%.o $(COV_OBJ)
	$(Q)gcc --coverage $^ -lcmocka -o $@

cov: $(COV_BIN)
	$(Q)tools/make/cov.sh $(B) $(PURE_SRC) $(OPEN_SRC) $(WIRE_SRC) $(BOOT_PURE)

# Bugs planted one by one in a copy of the tree; the named host test must fail.
planted: $(B)/nidus.efi
	$(Q)tests/planted/planted.sh $(NAMES)
planted-guest: images $(B)/vmcs12
	$(Q)tests/planted/planted_guest.sh $(NAMES)
# The same over all of hv/, by host tests and guest tests: docs/mutants.md.
mutants: images $(UNIT_BIN)
	$(Q)tests/planted/mutants.py $(NAMES)

# A hostile L1 again: SEED=n STEPS=m; without a seed the 20 of `make test`.
hostile: images
	@tools/rig/hostile.py $(or $(SEED),1) --seeds $(or $(SEEDS),$(if $(SEED),1,20)) --steps $(or $(STEPS),2000) $(if $(ONLY),--only $(ONLY))

# ---- the machine: everything below boots the emulator --------------------------------------
setup-run:
	@tools/make/setup.sh run
payload: setup-run
	@tools/make/payload.sh
# Only what is booted is built, and two runs at once wait for each other there. EFI=FILES: programs of one's own.
RUN_BUILDS := $(B)/nidus.efi $(B)/chain.efi $(B)/tables.efi $(filter $(EX_EFI) $(GT_EFI),$(EFI))
run: $(if $(EFI),setup-run,payload)
	@$(if $(EFI),,[ -z "$(QEMU)" ] || tools/make/payload.sh qemu)
	@mkdir -p $(B)
	@$(MAKE) -qs $(RUN_BUILDS) 2>/dev/null || echo "  building $(notdir $(RUN_BUILDS))"
	@flock $(B)/lock $(MAKE) -s --no-print-directory $(if $(filter 1,$(V)),,QUIET=1) $(RUN_BUILDS)
	@tools/rig/run.py
help:
	@sed -n '/^    make  /,/^    V=1/p' HACKING.md
.DEFAULT:
	@echo "make: no target and no file $@; 'make help' lists the targets" >&2; exit 2
test:
	@tools/rig/test.sh
test-long:
	@tools/rig/test.sh long
guest: images
	@tools/rig/guest_tests.py $(TESTS)
bench: images
	@tools/rig/bench.py
	@[ "$(CPUS)" ] || ! tools/make/setup.sh bochs3 >/dev/null || { echo; echo "four processors:"; CPUS=4 tools/rig/bench.py; }
linux: images payload
	@tools/rig/linux_test.py
kvm: images payload
	@tools/rig/kvm_test.py
kvm-qemu: images payload
	@tools/make/payload.sh qemu
	@tools/rig/kvm_test.py qemu
bench-kvm: images payload
	@tools/make/payload.sh qemu
	@tools/rig/kvm_bench.py
xen: images payload
	@tools/make/payload.sh xen
	@tools/rig/xen_test.py
# On the second emulator: MODELS="skylake_x ..." TESTS="t_vmx_io linux ..." pick some. docs/models.md is the table.
models: images payload
	@tools/rig/models.py --models "$(MODELS)" --tests "$(TESTS)"
examples: images
	@tools/rig/examples_test.py
debug: images
	@tools/rig/debug_test.py
ends: images
	@tools/rig/ends_test.py
tell: images $(B)/vmcs12
	@tools/rig/tell_test.py
trace-test: images payload setup-web
	@tools/trace/trace_test.py
trace-pictures: images payload setup-web
	@tools/trace/trace_test.py --pictures
refusals: images
	@tools/rig/refusals.py
seen: images
	@tools/rig/seen_test.py
vtd: images payload
	@tools/rig/vtd_test.py
stick: images
	@tools/rig/probe_test.py
	@tools/rig/stick_test.py $(WALKS)
# A stick for a real machine: docs/first-boot.md. NOLINUX=1 leaves Linux out; SIGN=1 signs it with a key of one's own.
usb: setup-run
	@[ -z "$(SIGN)" ] || tools/make/setup.sh sign
	@[ -z "$(SIGN)" ] || tools/make/keys.sh keys
	@[ -n "$(NOLINUX)" ] || tools/make/payload.sh stick
	@$(MAKE) -s --no-print-directory images
	@$(if $(SIGN),SIGN_KEY=keys/nidus.key SIGN_CERT=keys/nidus.crt )tools/make/usb.sh $(B)/usb.img
	@tools/make/usb_say.sh $(B)/usb.img

# A release in build/dist, the same bytes from the same tree.
dist:
	@tools/make/dist.sh

setup-web:
	@tools/make/setup.sh web
web: setup-web
	@$(MAKE) -s --no-print-directory $(B)/why.html
# The page in a headless browser, with the six dumps; makes docs/why.png anew with PICTURE=1.
web-test: web
	@tools/web/page_test.py $(if $(PICTURE),--picture docs/why.png)

lint: $(B)/core.elf $(B)/vmcs12
	@tools/make/lint.sh
order:
	@tools/make/order.py --add
spdx:
	@tools/make/spdx.py --add

# The payload costs a download; `make distclean` removes it too.
clean:
	@mkdir -p $(B)
	find $(B) -mindepth 1 -maxdepth 1 ! -name l1 -exec rm -rf {} +
distclean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)
