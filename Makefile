# SPDX-License-Identifier: MIT
# Everything lands in build/: the release in build/ itself, other
# configurations and compilers in folders of their own.

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

VERSION := 0.1.0
CFG     ?= release
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG   ?= clang
PREFIX  ?= /usr/local
DESTDIR ?=
FUZZ_S  ?= 10
BUILD   ?= build$(if $(filter-out release,$(CFG)),/$(CFG))$(if $(filter clang%,$(CC)),/clang)
B       := $(BUILD)
V       ?= 0
Q       := $(if $(filter 0,$(V)),@)
say      = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' $(1) $(patsubst $(B)/%,%,$@))

# -- configurations ----------------------------------------------------------
cfg.release := -O2 -g -DNDEBUG -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
cfg.debug   := -O1 -g
cfg.asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
cfg.tsan    := -O1 -g -fsanitize=thread -DSCOPE_RING_C11
cfg.cov     := -O0 -g --coverage
cfg.fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(if $(cfg.$(CFG)),,$(error CFG=$(CFG): choose release, debug, asan, tsan, cov or fuzz))
ld.release := -pie -Wl,-z,relro,-z,now -Wl,--as-needed

libs     := libbpf libelf libdw zlib jansson capstone ncursesw libpcre2-8 libcurl libmicrohttpd libseccomp libzstd libxxhash
pkg      := $(shell pkg-config --cflags --libs $(libs) 2>/dev/null)
warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Wundef
cppflags := -Iinclude -Isrc -D_GNU_SOURCE -DSCOPE_VERSION='"$(VERSION)"'
cflags   := -std=gnu11 $(warnings) $(cfg.$(CFG)) $(cppflags) $(filter -I% -D%,$(pkg)) $(CFLAGS)
ldlibs   := $(filter-out -I% -D%,$(pkg)) -lck -lm -lpthread $(LDLIBS)
ldflags  := $(cfg.$(CFG)) $(ld.$(CFG)) $(LDFLAGS)

# -- sources -----------------------------------------------------------------
srcs    := $(sort $(wildcard src/*/*.c))
main    := src/cli/main.c
objs    := $(patsubst %.c,$(B)/%.o,$(filter-out $(main),$(srcs))) $(B)/src/attacher/object.o \
	$(B)/src/target/builds_text.o $(B)/src/target/shapes_text.o
units   := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
fuzzers := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
benches := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(filter-out %.bpf.c,$(sort $(wildcard tests/bench/*.c)))) \
	$(B)/tests/bench/count.bpf.o
mans    := $(sort $(wildcard src/cli/man/*.[1-8]))

.PHONY: all help deps demo check bench layouts install uninstall clean lint unit units \
	verifier fuzz fuzzers live soak memory benches arm64

all: $(B)/scope-bpf ## build the program (build/scope-bpf)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n  CFG=debug|asan|tsan|cov  another configuration    V=1  show commands\n'
	@printf '  PREFIX=/usr/local DESTDIR=  where install puts things\n'

# -- the program -------------------------------------------------------------
$(B)/scope-bpf: $(B)/src/cli/main.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(ldlibs)

$(B)/libscope.a: $(objs)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags
	$(call say,CC)
	$(Q)mkdir -p $(@D) && $(CC) $(cflags) -MMD -MP -c $< -o $@

# Another compiler or other flags: build anew.
$(B)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(subst ','\'',$(cflags))' >$@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

# -- the kernel side: one object, embedded in the program ----------------------
bpf_arch   := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
bpf_cflags := -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Werror -Iinclude -Ibpf \
	-I/usr/include/$(shell uname -m)-linux-gnu

$(B)/%.bpf.o: %.bpf.c
	$(call say,BPF)
	$(Q)mkdir -p $(@D) && $(CLANG) $(bpf_cflags) -D__TARGET_ARCH_$(bpf_arch) \
		-MMD -MP -c $< -o $@

$(B)/src/attacher/object.o: src/attacher/object.S $(B)/bpf/scope.bpf.o $(B)/bpf/count.bpf.o $(B)/bpf/thread.bpf.o \
	$(B)/bpf/profile.bpf.o
	$(call say,AS)
	$(Q)mkdir -p $(@D) && $(CC) -DOBJECT='"$(B)/bpf/scope.bpf.o"' \
		-DCOUNT='"$(B)/bpf/count.bpf.o"' \
		-DTHREAD='"$(B)/bpf/thread.bpf.o"' \
		-DPROFILE='"$(B)/bpf/profile.bpf.o"' -c $< -o $@

# Where functions are in emulators that hide them: one text of all tables.
builds := $(sort $(wildcard src/target/builds/*.tsv))
$(B)/src/target/builds.tsv: $(builds) src/target/builds
	$(Q)mkdir -p $(@D) && cat /dev/null $(builds) >$@

$(B)/src/target/builds_text.o: src/target/builds.S $(B)/src/target/builds.tsv
	$(call say,AS)
	$(Q)mkdir -p $(@D) && $(CC) -DBUILDS='"$(B)/src/target/builds.tsv"' -c $< -o $@

# How they are known again in builds of which there is no table.
shapes := $(sort $(wildcard src/target/shapes/*.tsv))
$(B)/src/target/shapes.tsv: $(shapes) src/target/shapes
	$(Q)mkdir -p $(@D) && cat /dev/null $(shapes) >$@

$(B)/src/target/shapes_text.o: src/target/shapes.S $(B)/src/target/shapes.tsv
	$(call say,AS)
	$(Q)mkdir -p $(@D) && $(CC) -DSHAPES='"$(B)/src/target/shapes.tsv"' -c $< -o $@

arm64: ## compile for aarch64 (nothing is linked or run)
	$(Q)mkdir -p $(B)/arm64 && $(CLANG) $(bpf_cflags) -D__TARGET_ARCH_arm64 \
		-c bpf/scope.bpf.c -o $(B)/arm64/scope.bpf.o
	$(Q)$(CLANG) $(bpf_cflags) -D__TARGET_ARCH_arm64 \
		-c bpf/count.bpf.c -o $(B)/arm64/count.bpf.o
	$(Q)$(CLANG) $(bpf_cflags) -D__TARGET_ARCH_arm64 \
		-c bpf/thread.bpf.c -o $(B)/arm64/thread.bpf.o
	$(Q)$(CLANG) $(bpf_cflags) -D__TARGET_ARCH_arm64 \
		-c bpf/profile.bpf.c -o $(B)/arm64/profile.bpf.o
	$(Q)for f in $(srcs); do aarch64-linux-gnu-gcc -std=gnu11 $(warnings) $(cppflags) \
		-idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -dumpmachine) \
		-fsyntax-only $$f || exit 1; done
	@echo "$(words $(srcs)) passed, 0 failed"

# -- the two commands ----------------------------------------------------------
demo: ## install what is missing, build, watch a node (NODE=PID|NAME, or a demo node)
	$(Q)scripts/deps build demo
	$(Q)$(MAKE) --no-print-directory -j2 all >&2
	$(Q)scripts/demo $(NODE)

check: ## install what is missing, build, run every test
	$(Q)scripts/deps build check
	$(Q)scripts/check

deps: ## install what building and testing need (root)
	$(Q)scripts/deps build check

# -- tests ---------------------------------------------------------------------
units: $(units)
# The benches' stand-ins for the library must follow it.
unit: $(units) $(benches) ## unit tests (CFG=asan and CFG=tsan too)
	$(Q)scripts/run-units $(units)

# Allocations of unit tests go through fault.c, which can make one fail.
fault := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/unit/fault.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) $(fault) -o $@ $^ -lcmocka $(ldlibs)

# Kept, so that a change of one test does not rebuild the others.
.SECONDARY:

ifeq ($(CFG),fuzz)
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) -fsanitize=fuzzer -o $@ $^ $(ldlibs)
fuzzers: $(fuzzers)
endif

fuzz: ## fuzz each target for FUZZ_S seconds from its corpus
	$(Q)$(MAKE) --no-print-directory CFG=fuzz CC=$(CLANG) BUILD=build/fuzz fuzzers
	$(Q)scripts/run-fuzz build/fuzz/tests/fuzz $(FUZZ_S)

verifier: $(B)/tests/bpf/verify ## load each BPF program alone, hold it to its budget of instructions
	$(Q)$(B)/tests/bpf/verify tests/bpf/budget.tsv

$(B)/tests/bpf/verify: $(B)/tests/bpf/verify.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(ldlibs)

lint: ## layers, headers, static analysis, scripts, man pages
	$(Q)scripts/lint

$(B)/tests/live/recovered: $(B)/tests/live/recovered.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(ldlibs)

live: all $(B)/tests/live/recovered ## tests against live nodes (root)
	$(Q)tests/live/run $(TESTS)

soak: all ## RabbitMQ under load (root); DURATION=600
	$(Q)tests/live/soak $(DURATION)

layouts: ## hold the layout tables to each release's sources (minutes, by apt)
	$(Q)scripts/layout-matrix $(OTP)

bench: ## costs on the node and in the collector, beside peers (root)
	$(Q)scripts/deps build bench
	$(Q)$(MAKE) --no-print-directory -j2 all benches
	$(Q)tests/bench/run $(B)

memory: all benches ## the collector's memory over EVENTS=10000000 events (root)
	$(Q)tests/bench/run $(B) -n $(or $(EVENTS),10000000) memory

benches: $(benches)
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/libscope.a
	$(call say,LINK)
	$(Q)$(CC) $(ldflags) -o $@ $^ $(ldlibs)

# -- installing ----------------------------------------------------------------
install: all ## install the program, man pages and completions
	install -Dm755 $(B)/scope-bpf $(DESTDIR)$(PREFIX)/bin/scope-bpf
	for m in $(mans); do \
		install -Dm644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/} || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(B)/scope-bpf completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/scope-bpf
	$(B)/scope-bpf completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_scope-bpf
	$(B)/scope-bpf completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/scope-bpf.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/scope-bpf \
		$(foreach m,$(mans),$(DESTDIR)$(PREFIX)/share/man/man$(lastword $(subst ., ,$(m)))/$(notdir $(m))) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/scope-bpf \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_scope-bpf \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/scope-bpf.fish

clean: ## remove build/
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
