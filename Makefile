# Nidus: one flat Makefile. `make` builds everything and runs the host tests; see README.md.
# Output is terse; V=1 shows the commands. Everything built lands in build/.

B    := build
CC   ?= gcc
HOSTCC ?= $(CC)
NASM ?= nasm
Q    := $(if $(filter 1,$(V)),,@)
say   = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' "$(1)" "$(2)")

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
INC  := -I.

# ---- sources (found, not listed: a new file only has to be in the right folder) ----------
PURE_SRC := $(wildcard hv/vmcs12/*.c hv/ept/*.c hv/arch/*.c)
CORE_SRC := $(wildcard hv/*.c hv/core/*.c hv/vmx/*.c hv/nested/*.c) $(PURE_SRC)
CORE_ASM := $(wildcard hv/core/*.asm hv/vmx/*.asm)
BOOT_SRC := $(wildcard boot/*.c)
BOOT_PURE := $(addprefix boot/,line.c text.c words.c options.c require.c madt.c)
BOOT_ASM := $(wildcard boot/*.asm)
GT_SRC   := $(wildcard guest-tests/t_*.c guest-tests/pre_*.c)
GT_LIB   := $(wildcard guest-tests/lib/*.c)
GT_ASM   := $(wildcard guest-tests/lib/*.asm)
UNIT_SRC := $(wildcard tests/t_*.c)

.PHONY: all check fuzz clean
all: $(if $(BOOT_SRC),$(B)/nidus.efi) $(GT_SRC:guest-tests/%.c=$(B)/%.efi) $(B)/chain.efi check

# ---- the core: freestanding, fixed high address, general registers only -------------------
CORE_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
  -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-common -fno-pic -fno-pie -mcmodel=kernel \
  -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fno-omit-frame-pointer -ffunction-sections -fdata-sections $(WARN)
CORE_OBJ := $(CORE_SRC:%.c=$(B)/core/%.o) $(CORE_ASM:%.asm=$(B)/core/%.asm.o)

$(B)/core/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) $(INC) -MMD -MP -c $< -o $@

# Assembly learns every number from C: tools/offsets.c is compiled to text and filtered.
$(B)/offsets.inc: tools/offsets.c
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
	$(Q)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--gc-sections -Wl,-T,linker.ld $(CORE_OBJ) -o $@

$(B)/core.bin: $(B)/core.elf
	$(Q)objcopy -O binary $< $@

# ---- UEFI programs (GNU-EFI) ---------------------------------------------------------------
EFI_LDS := /usr/lib/elf_x86_64_efi.lds
EFI_CRT := /usr/lib/crt0-efi-x86_64.o
EFI_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fpic -fshort-wchar -mno-red-zone -mgeneral-regs-only \
  -fno-stack-protector -fno-strict-aliasing -fcf-protection=none -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 \
  -DGNU_EFI_USE_MS_ABI -DHAVE_USE_MS_ABI -Wall -Wextra -Wshadow -Werror
EFI_LDFLAGS := -nostdlib -znocombreloc -shared -Bsymbolic -L/usr/lib -T $(EFI_LDS) $(EFI_CRT)
EFI_LIBS := -lefi -lgnuefi
EFI_SECTIONS := $(foreach s,.text .sdata .data .dynamic .dynsym .rel .rela .reloc .rodata,-j $(s))

$(B)/efi/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/efi/%.asm.o: %.asm $(if $(wildcard tools/offsets.c),$(B)/offsets.inc)
	$(call say,NASM,$<)
	@mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Werror -I$(B)/ -MD $(@:.o=.d) $< -o $@

define efi_link
	$(call say,EFI,$@)
	$(Q)ld $(EFI_LDFLAGS) $(1) -o $(@:.efi=.so) $(EFI_LIBS)
	$(Q)objcopy $(EFI_SECTIONS) --target=efi-app-x86_64 --subsystem=10 $(@:.efi=.so) $@
endef

BOOT_OBJ := $(BOOT_SRC:%.c=$(B)/efi/%.o) $(BOOT_ASM:%.asm=$(B)/efi/%.asm.o)
$(B)/efi/boot/core_blob.asm.o: $(B)/core.bin
$(B)/nidus.efi: $(BOOT_OBJ)
	$(call efi_link,$(BOOT_OBJ))

GT_LIBOBJ := $(GT_LIB:%.c=$(B)/efi/%.o) $(GT_ASM:%.asm=$(B)/efi/%.asm.o)
$(GT_SRC:guest-tests/%.c=$(B)/%.efi): $(B)/%.efi: $(B)/efi/guest-tests/%.o $(GT_LIBOBJ)
	$(call efi_link,$^)
.PRECIOUS: $(B)/efi/guest-tests/%.o

# The rig's own loader: runs many programs in one boot.
$(B)/chain.efi: $(B)/efi/guest-tests/chain.o
	$(call efi_link,$^)

# ---- host tests: the pure folders under sanitizers, with cmocka ----------------------------
HOST_CFLAGS := -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $(WARN)
TEST_LIB := $(filter-out $(UNIT_SRC),$(wildcard tests/*.c))
TEST_OBJ := $(TEST_LIB:%.c=$(B)/host/%.o) $(PURE_SRC:%.c=$(B)/host/%.o) $(BOOT_PURE:%.c=$(B)/host/%.o)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/unit/%)

$(B)/host/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/unit/%: $(B)/host/tests/%.o $(TEST_OBJ)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $^ -lcmocka -o $@
.PRECIOUS: $(B)/host/%.o

# ---- the host program vmcs12, and the same under sanitizers for its tests ------------------
TOOL_SRC := $(wildcard tools/vmcs12*.c) $(PURE_SRC)
$(B)/vmcs12: $(TOOL_SRC) $(wildcard tools/vmcs12* hv/vmcs12/*.h hv/vmcs12/*.def hv/arch/*.h hv/arch/*.def)
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g $(WARN) $(INC) $(TOOL_SRC) -o $@

$(B)/unit/vmcs12: $(TOOL_SRC:%.c=$(B)/host/%.o)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_CFLAGS) $^ -o $@

check: $(UNIT_BIN) $(B)/unit/vmcs12 $(B)/vmcs12
	$(Q)for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done
	$(Q)CC=$(HOSTCC) tests/frozen.sh $(B)
	$(Q)tests/tool.sh $(B)/unit/vmcs12 $(B)

# ---- fuzzers: clang's libFuzzer over the same sources; FUZZ_SECONDS for each ----------------
FUZZ_CC      ?= clang
FUZZ_SECONDS ?= 60
FUZZ_CFLAGS  := $(HOST_CFLAGS) -fsanitize=fuzzer-no-link
FUZZ_BIN     := $(patsubst tests/fuzz/f_%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/f_*.c))
FUZZ_OBJ     := $(TEST_OBJ:$(B)/host/%=$(B)/fuzz/o/%)

$(B)/fuzz/o/%.o: %.c
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(INC) -MMD -MP -c $< -o $@

$(B)/fuzz/%: $(B)/fuzz/o/tests/fuzz/f_%.o $(FUZZ_OBJ)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ -lcmocka -o $@
.PRECIOUS: $(B)/fuzz/o/%.o

# A finding leaves its input in build/fuzz/; it becomes a row of a unit test.
fuzz: $(FUZZ_BIN)
	$(Q)for f in $(FUZZ_BIN); do mkdir -p $$f.corpus; echo "== $$f"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -artifact_prefix=$(B)/fuzz/ -verbosity=0 \
	    -print_final_stats=1 $$f.corpus >$$f.log 2>&1 || { cat $$f.log; exit 1; }; \
	  grep executed $$f.log; done

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)
