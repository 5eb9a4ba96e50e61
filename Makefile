# SPDX-License-Identifier: MIT
#
# driftd: make · make check · make demo · sudo make install; `make help` lists the rest.
#
# Everything that is built lands in $(BUILD); the programs run from there.

VERSION = 0.1.0
BUILD  ?= build

prefix         = /usr/local
exec_prefix    = $(prefix)
bindir         = $(exec_prefix)/bin
sbindir        = $(exec_prefix)/sbin
libexecdir     = $(exec_prefix)/libexec
datarootdir    = $(prefix)/share
datadir        = $(datarootdir)
mandir         = $(datarootdir)/man
docdir         = $(datarootdir)/doc/driftd
sysconfdir     = /etc
packsdir       = /usr/share/driftd/baselines
localstatedir  = /var
systemdunitdir = /usr/lib/systemd/system
sysusersdir    = /usr/lib/sysusers.d
tmpfilesdir    = /usr/lib/tmpfiles.d
catalogdir     = /usr/lib/systemd/catalog
bashcompdir    = $(datadir)/bash-completion/completions
zshcompdir     = $(datadir)/zsh/site-functions
fishcompdir    = $(datadir)/fish/vendor_completions.d
INSTALL        = install

# What is needed, as Debian's packages; tests/deps.sh installs those that are missing.
# (systemd also gives a bare container the machine id that a host baseline is bound to.)
DEPS       = gcc libc6-dev make systemd libsodium-dev libssl-dev libinih-dev libsystemd-dev libsqlite3-dev libjansson-dev libmicrohttpd-dev
DEPS_TESTS = check curl git jq sqlite3 attr acl e2fsprogs libcap2-bin openssh-client openssh-server openssl util-linux procps tmux \
             perl libxml2-utils python3-junitparser python3-yaml ansible-core python3-behave rsyslog prometheus prometheus-node-exporter
DEPS_LINT  = clang clang-tidy clang-format cppcheck shellcheck mandoc valgrind strace systemd chromium
DEPS_BENCH = coreutils findutils fio jq tar time util-linux
DEPS_BED   = debootstrap systemd-container procps jq util-linux
DEPS_DEB   = binutils debhelper dpkg-dev faketime git lintian util-linux
HEADERS    = sodium.h openssl/evp.h ini.h systemd/sd-event.h sqlite3.h jansson.h microhttpd.h
LIBS       = -lsodium -lcrypto -linih -lsystemd -lsqlite3 -ljansson -pthread
CLI_LIBS   = -lmicrohttpd # never of driftd, which has no network

# Warnings are errors for those who set WERROR=1 (development and CI), never in a user's build.
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough
CFLAGS  ?= -O2 -g
ALL_CPPFLAGS = -I. -D_GNU_SOURCE -DDRIFTD_VERSION='"$(VERSION)"' $(CPPFLAGS)

# Each hardening flag is tried first and used only where the compiler takes it. (-U: a distribution's flags may define
# a lower level, and a second definition is a warning.)
try = $(foreach flag,$(1),$(shell $(CC) -Werror $(flag) -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(flag)'))
ifeq ($(SANITIZE),)
HARDENING := $(call try,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
             -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE)
LDHARDENING = -pie -Wl,-z,relro,-z,now,-z,noexecstack
else
HARDENING := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDHARDENING = -fsanitize=$(SANITIZE)
endif

ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) $(HARDENING) -pthread $(CFLAGS)
ALL_LDFLAGS = $(LDHARDENING) $(LDFLAGS)

CORE    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c))
DAEMON  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out daemon/helper_%,$(wildcard daemon/*.c)))
HELPERS := $(BUILD)/driftd-openssl
CLI     := $(patsubst %.c,$(BUILD)/%.o,$(wildcard cli/*.c))
UNIT    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
TOOLS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
BENCH_C := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
FUZZ    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
SOURCES := $(wildcard core/*.c daemon/*.c cli/*.c tests/*/*.c)
ALL_C   := $(SOURCES) $(wildcard core/*.h daemon/*.h cli/*.h tests/*/*.h)
SHELL_FILES := .ci/run $(wildcard debian/*.sh debian/*.postinst debian/*.postrm tests/*.sh tests/*/*.sh etc/examples/*/*.sh)
EXAMPLES := $(wildcard etc/examples/*/* etc/examples/*/*/*)
MANUALS := $(wildcard man/*.[1-8])
SUDO     = $(if $(filter-out 0,$(shell id -u)),sudo,env)

# One line a step; V=1 shows the whole commands.
ifneq ($(V),1)
Q  = @
cc = @printf '  CC    %s\n' '$@'; $(CC)
ld = @printf '  LINK  %s\n' '$@'; $(CC)
else
cc = $(CC)
ld = $(CC)
endif

.PHONY: all
all: $(BUILD)/driftd $(BUILD)/driftctl $(HELPERS) ## build driftd, driftctl and the helpers into build/

# ---- building ----

# A missing library is named at once and not by the compiler's fiftieth line.
$(BUILD)/.headers:
	@mkdir -p $(@D)
	@missing=; for h in $(HEADERS); do \
	  printf '#include <stdio.h>\n#include <%s>\n' "$$h" | $(CC) -E -o /dev/null - 2>/dev/null || missing="$$missing $$h"; done; \
	if [ -n "$$missing" ]; then \
	  echo "make: these headers are not installed:$$missing" >&2; \
	  echo "make: run: sudo make deps   (or install the libraries that they belong to)" >&2; exit 1; fi
	@touch $@

# Other flags or another compiler: everything is built again.
FLAGS := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(libexecdir)
$(BUILD)/.flags: .always
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@
.PHONY: .always
.always:

$(BUILD)/libdrift.a: $(CORE)
	$(Q)rm -f $@ && $(AR) rcs $@ $(CORE)

$(BUILD)/driftd: $(DAEMON) $(BUILD)/libdrift.a
	$(ld) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(DAEMON) $(BUILD)/libdrift.a $(LIBS)

$(BUILD)/driftctl: $(CLI) $(BUILD)/libdrift.a
	$(ld) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(CLI) $(BUILD)/libdrift.a $(LIBS) $(CLI_LIBS)

# What must not run inside the daemon: nothing of ours is in it but the escape.
$(BUILD)/driftd-openssl: $(patsubst %.c,$(BUILD)/%.o,$(wildcard daemon/helper_openssl*.c) daemon/helper_sandbox.c core/escape.c core/buf.c)
	$(ld) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto

$(BUILD)/%.o: %.c $(BUILD)/.flags | $(BUILD)/.headers
	@mkdir -p $(@D)
	$(cc) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Where the installed programs find the helpers.
$(BUILD)/core/probe.o: ALL_CPPFLAGS += -DDRIFTD_LIBEXECDIR='"$(libexecdir)/driftd"'

# What .incbin takes in, and -MMD does not see.
$(BUILD)/core/config_default.o: etc/driftd.conf
$(BUILD)/daemon/control_call.o: daemon/dev.driftd.Control.varlink

# The programs without their main, for the unit tests.
$(BUILD)/libdaemon.a: $(filter-out %/main.o,$(DAEMON))
	$(Q)rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libcli.a: $(filter-out %/main.o,$(CLI))
	$(Q)rm -f $@ && $(AR) rcs $@ $^
PARTS = $(BUILD)/libcli.a $(BUILD)/libdaemon.a $(BUILD)/libdrift.a

$(BUILD)/tests/unit/%: tests/unit/%.c $(PARTS) | $(HELPERS)
	@mkdir -p $(@D)
	$(ld) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(PARTS) -lcheck -lsubunit -lm -lrt $(LIBS) $(CLI_LIBS)

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(BUILD)/libdrift.a
	@mkdir -p $(@D)
	$(ld) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libdrift.a $(LIBS)

# Programs that the system tests use: each one file, without our libraries, and never under a sanitizer.
$(BUILD)/tests/tools/%: tests/tools/%.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(ld) $(ALL_CPPFLAGS) -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $<
$(BUILD)/tests/tools/fileless: LDFLAGS += -static

# What the benchmark measures with and against.
$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/libdrift.a
	@mkdir -p $(@D)
	$(ld) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libdrift.a $(LIBS)

# Preloaded into the daemon by tests/system/test_clock.sh; no sanitizer, since it runs before one is set up.
SHIM = $(BUILD)/tests/system/clock_shim.so
$(SHIM): tests/system/clock_shim.c
	@mkdir -p $(@D)
	$(ld) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) -O2 -fPIC -shared -o $@ $<

# The programs with calls that fail when told to: tests/faults/inject.c stands before every library.
$(BUILD)/tests/faults/inject.o: tests/faults/inject.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(cc) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fno-sanitize=all -fno-builtin -MMD -MP -c -o $@ $<
$(BUILD)/faulty/driftd: $(DAEMON) $(BUILD)/libdrift.a $(BUILD)/tests/faults/inject.o
	@mkdir -p $(@D)
	$(ld) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(DAEMON) $(BUILD)/tests/faults/inject.o $(BUILD)/libdrift.a $(LIBS)
$(BUILD)/faulty/driftctl: $(CLI) $(BUILD)/libdrift.a $(BUILD)/tests/faults/inject.o
	@mkdir -p $(@D)
	$(ld) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(CLI) $(BUILD)/tests/faults/inject.o $(BUILD)/libdrift.a $(LIBS) $(CLI_LIBS)
# The helper lies beside them as it is: what fails in it is its caller's to bear.
$(BUILD)/faulty/driftd-openssl: $(BUILD)/driftd-openssl
	@mkdir -p $(@D)
	@ln -sf ../driftd-openssl $@
.PHONY: faulty
faulty: $(BUILD)/faulty/driftd $(BUILD)/faulty/driftctl $(BUILD)/faulty/driftd-openssl

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- checking ----

.PHONY: check check-unit check-system check-bed check-power soak check-asan check-floors check-catalog
check: ## install what the tests need, build, check the floors, run all tests
	@$(MAKE) --no-print-directory deps-tests
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory check-floors check-catalog
	@rm -f $(BUILD)/*.total
	@$(MAKE) --no-print-directory check-unit; $(MAKE) --no-print-directory check-system; \
	  $(MAKE) --no-print-directory TESTS= check-system-fanotify; tests/total.sh $(BUILD)

check-unit: $(UNIT) ## the unit tests alone
	@tests/unit/run.sh $(BUILD) $(UNIT)

check-system: all $(TOOLS) $(SHIM) ## the system tests alone; TESTS=names chooses some
	@BUILD=$(BUILD) tests/system/run.sh $(TESTS)

SOAK_SECONDS = 1200
soak: all $(TOOLS) ## random load for SOAK_SECONDS=1200, then an exact check; SOAK_SEED=N repeats one
	@SOAK_SECONDS=$(SOAK_SECONDS) TEST_SECONDS=$$(($(SOAK_SECONDS) + 300)) BUILD=$(BUILD) tests/system/run.sh soak

# Where the kernel grants it (as root): the tests for which the way of watching matters, once more.
FANOTIFY_TESTS = changes names restart traps watch an_upgrade_of_900_files_is_one_line_that_opens
.PHONY: check-system-fanotify
check-system-fanotify: all $(TOOLS) $(SHIM) ## system tests with fanotify in place of inotify
	@BUILD=$(BUILD) WATCH=fanotify TOTAL=fanotify tests/system/run.sh $(or $(TESTS),$(FANOTIFY_TESTS))

check-bed: ## our packages in a booted Debian (systemd-nspawn), as root; the first run fetches it; TESTS=names
	@$(SUDO) tests/deps.sh $(DEPS_BED)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/tools/can_fanotify $(BUILD)/deb/.built
	@$(SUDO) BUILD=$(BUILD) CI=$(CI) OLDER_PACKAGES=$(OLDER_PACKAGES) tests/bed/run.sh $(TESTS)

ASAN = BUILD=build-asan SANITIZE=address,undefined CFLAGS='-O1 -g'
check-asan: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer, in build-asan/
	@$(MAKE) --no-print-directory deps-tests
	@rm -f build-asan/*.total
	@$(MAKE) --no-print-directory $(ASAN) check-unit; $(MAKE) --no-print-directory $(ASAN) check-system; tests/total.sh build-asan

SEEDS = 200
check-power: $(BUILD)/tests/unit/test_store_power $(BUILD)/tests/unit/test_instance_power ## power lost at every sync, SEEDS=200 torn disks each
	@for t in $^; do POWER_SEEDS=$(SEEDS) CK_TIMEOUT_MULTIPLIER=20 $$t || exit 1; done

# Each place where a call can fail, once and for good: some two hours on two cores. STRIDE=24 OFFSET=random takes a share.
STRIDE = 1
OFFSET = 1
.PHONY: check-faults
check-faults: all ## every call that can fail is made to fail, under the sanitizers, in build-asan/; STRIDE=N takes every N-th
	@$(MAKE) --no-print-directory deps-tests
	@$(MAKE) --no-print-directory $(ASAN) faulty
	@BUILD=$(BUILD) FAULTY=build-asan/faulty STRIDE=$(STRIDE) OFFSET=$(OFFSET) tests/faults/run.sh $(SCENARIOS)

check-floors: $(BUILD)/driftd ## includes point down only, each library behind its fence, no signing in driftd
	@tests/floors.sh $(BUILD)/driftd

check-catalog: ## the message ids of the daemon are those of the journal catalog
	@tests/catalog.sh

lint: export LINT_CPPFLAGS = $(ALL_CPPFLAGS)
.PHONY: lint format fuzz fuzz-run valgrind bench bench-peers demo
lint: ## compiler, clang-tidy, cppcheck, clang-format, shellcheck, mandoc: any warning is an error
	@debian/version.sh >/dev/null
	@tests/lint.sh '$(SOURCES)' '$(ALL_C)' '$(SHELL_FILES)' '$(MANUALS)'

format: ## put all C into the house's form
	clang-format -i $(ALL_C)

FUZZ_SECONDS = 10
fuzz: ## run every fuzz harness for FUZZ_SECONDS=10 (needs clang)
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang SANITIZE=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' fuzz-run

fuzz-run: $(FUZZ)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ)

valgrind: $(UNIT) ## the unit tests, and VALGRIND_TESTS of the system tests, under valgrind
	@tests/valgrind.sh $(BUILD) unit $(UNIT)
	@$(MAKE) --no-print-directory valgrind-system

VALGRIND_TESTS = everything_works_without_a_daemon changes_while_down_are_unobserved_and_the_gap_is_recorded
.PHONY: valgrind-system
valgrind-system: all
	@tests/valgrind.sh $(BUILD) system $(VALGRIND_TESTS)

bench: all $(BENCH_C) ## what driftd costs beside the raw work, 15 min, as root; tests/bench/README.md; BENCH=sections BENCH_TREE=/usr
	@$(SUDO) tests/deps.sh $(DEPS_BENCH)
	@BUILD=$(BUILD) tests/bench/run.sh

bench-peers: all $(BENCH_C) ## driftd beside AIDE, Tripwire and integrit, and beside inotifywait and fatrace, 12 min, as root
	@$(SUDO) tests/deps.sh $(DEPS_BENCH)
	@BUILD=$(BUILD) tests/bench/peers.sh

demo: ## install what is missing, build, and see it work on a copy of /etc (as root)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@$(SUDO) BUILD=$(BUILD) tests/system/demo.sh

# ---- installing ----

.PHONY: deps deps-tests deps-check install deb check-deb uninstall clean help
deps: ## install what building needs (Debian and its like; as root)
	@$(SUDO) tests/deps.sh $(DEPS)

deps-tests:
	@$(SUDO) tests/deps.sh $(DEPS) $(DEPS_TESTS)

deps-check: ## install what building, tests and lint need
	@$(SUDO) tests/deps.sh $(DEPS) $(DEPS_TESTS) $(DEPS_BENCH) $(DEPS_BED) $(DEPS_LINT)

D = $(DESTDIR)
install: all ## install programs, manuals, unit and catalog; DESTDIR and the GNU directory variables are obeyed
	$(INSTALL) -D -m 0755 $(BUILD)/driftd $(D)$(sbindir)/driftd
	$(INSTALL) -D -m 0755 $(BUILD)/driftctl $(D)$(bindir)/driftctl
	for h in $(HELPERS); do $(INSTALL) -D -m 0755 $$h $(D)$(libexecdir)/driftd/$${h##*/} || exit 1; done
	for m in $(MANUALS); do $(INSTALL) -D -m 0644 $$m $(D)$(mandir)/man$${m##*.}/$${m##*/} || exit 1; done
	for f in README.md CHANGELOG.md LICENSE etc/driftd.conf etc/trust.conf daemon/dev.driftd.Control.varlink; do \
	  $(INSTALL) -D -m 0644 $$f $(D)$(docdir)/$${f##*/} || exit 1; done
	for f in $(EXAMPLES); do [ -d $$f ] || \
	  $(INSTALL) -D -m $$([ -x $$f ] && echo 0755 || echo 0644) $$f $(D)$(docdir)/examples/$${f#etc/examples/} || exit 1; done
	for f in $(wildcard baselines/*.ini); do $(INSTALL) -D -m 0644 $$f $(D)$(packsdir)/$${f##*/} || exit 1; done
	$(INSTALL) -d -m 0755 $(D)$(sysconfdir)/driftd
	$(INSTALL) -D -m 0644 systemd/driftd-fanotify.conf $(D)$(docdir)/examples/driftd-fanotify.conf
	sed 's|/usr/sbin/driftd|$(sbindir)/driftd|' systemd/driftd.service | $(INSTALL) -D -m 0644 /dev/stdin $(D)$(systemdunitdir)/driftd.service
	sed 's|/usr/bin/driftctl|$(bindir)/driftctl|' systemd/driftd-output.service | $(INSTALL) -D -m 0644 /dev/stdin $(D)$(systemdunitdir)/driftd-output.service
	$(INSTALL) -D -m 0644 systemd/driftd.sysusers $(D)$(sysusersdir)/driftd.conf
	$(INSTALL) -D -m 0644 systemd/driftd.tmpfiles $(D)$(tmpfilesdir)/driftd.conf
	$(INSTALL) -D -m 0644 systemd/driftd.catalog $(D)$(catalogdir)/driftd.catalog
	$(BUILD)/driftctl completion bash | $(INSTALL) -D -m 0644 /dev/stdin $(D)$(bashcompdir)/driftctl
	$(BUILD)/driftctl completion zsh | $(INSTALL) -D -m 0644 /dev/stdin $(D)$(zshcompdir)/_driftctl
	$(BUILD)/driftctl completion fish | $(INSTALL) -D -m 0644 /dev/stdin $(D)$(fishcompdir)/driftctl.fish
ifeq ($(DESTDIR),)
	-systemd-sysusers $(sysusersdir)/driftd.conf
	-systemd-tmpfiles --create $(tmpfilesdir)/driftd.conf
	-journalctl --update-catalog
	-[ ! -d /run/systemd/system ] || systemctl daemon-reload
	@echo 'Installed. Next: sudo driftctl init'
endif

# For who only wants them there: built if a source is newer.
$(BUILD)/deb/.built: Makefile $(wildcard *.md core/* daemon/* cli/* baselines/* etc/* $(EXAMPLES) man/* systemd/* debian/*)
	@$(MAKE) --no-print-directory deb

deb: ## build the Debian packages into build/deb/
	@$(SUDO) tests/deps.sh $(DEPS) $(DEPS_DEB)
	@debian/build.sh $(BUILD)/deb
	@cd $(BUILD)/deb && sha256sum driftctl_*.deb driftd_*.deb && touch .built

check-deb: deb ## the packages: twice the same bytes, lintian, contents; install, upgrade, remove, purge
	@tests/deb.sh $(BUILD)/deb

uninstall: ## take away what install put there; configuration and the store stay
	-[ -n "$(D)" ] || [ ! -d /run/systemd/system ] || systemctl disable --now driftd driftd-output
	rm -f $(D)$(sbindir)/driftd $(D)$(bindir)/driftctl $(foreach m,$(MANUALS),$(D)$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -f $(D)$(systemdunitdir)/driftd.service $(D)$(systemdunitdir)/driftd-output.service $(D)$(sysusersdir)/driftd.conf $(D)$(tmpfilesdir)/driftd.conf $(D)$(catalogdir)/driftd.catalog
	rm -f $(D)$(bashcompdir)/driftctl $(D)$(zshcompdir)/_driftctl $(D)$(fishcompdir)/driftctl.fish
	rm -rf $(D)$(docdir) $(D)$(packsdir) $(D)$(libexecdir)/driftd
	@echo 'Kept: $(D)$(sysconfdir)/driftd and $(D)$(localstatedir)/lib/driftd (approvals and history: yours to delete)'

clean: ## remove build/ and the build folders of check-asan, check-faults, fuzz and valgrind
	rm -rf $(BUILD) build-asan build-fuzz build-valgrind

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
