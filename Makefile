# curated: builds under build/ only. `make help` lists the targets.

CC       ?= gcc
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
VERSION  := 0.1.0
SEEDS    ?= 1
FUZZ_SECONDS ?= 30

PACKAGES := libzmq msgpack lmdb libconfig libsystemd smartcols jansson libxxhash
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wno-format-zero-length
WERROR   ?= $(if $(CI),-Werror)
OPTIMIZE ?= -O2 -g -fno-omit-frame-pointer
SANITIZE ?=
CPPFLAGS += -D_GNU_SOURCE -DCURATED_VERSION='"$(VERSION)"' -I.
CFLAGS   += -std=c17 -fPIC -fvisibility=hidden $(OPTIMIZE) $(WARNINGS) $(WERROR) $(SANITIZE)
LDFLAGS  += $(SANITIZE)
# Found at first use, so that `make deps` can install the packages in the same run.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES)))$(PKG_CFLAGS)
LIBS_SELECT  := -lblis -lpthread -lm
LIBS_CLIENT  := -lzmq -lmsgpackc
LIBS_DAEMON  := -lzmq -lmsgpackc -llmdb -lconfig -lsystemd -lxxhash $(LIBS_SELECT)
LIBS_CTL     := -lsmartcols -ljansson
LIBS_TEST    := -lcmocka

SRC_PROTOCOL := $(wildcard protocol/*.c)
SRC_STORE    := $(wildcard store/*.c)
SRC_SELECT   := $(wildcard selector/kernel/*.c selector/strategy/*.c)
SRC_DAEMON   := $(wildcard selector/*.c)
SRC_CLIENT   := $(wildcard clients/c/*.c)
SRC_CTL      := $(wildcard clients/curatectl/*.c)
SRC_TEST     := $(wildcard test/unit/test_*.c test/conformance/test_*.c)
SRC_BENCH    := $(wildcard test/bench/bench_*.c)
SRC_PRELOAD  := $(wildcard test/daemon/*.c)
SRC_EXAMPLES := $(wildcard examples/*.c)
SOURCES      := $(SRC_PROTOCOL) $(SRC_STORE) $(SRC_SELECT) $(SRC_DAEMON) $(SRC_CLIENT) $(SRC_CTL) $(SRC_TEST) $(SRC_BENCH) $(SRC_PRELOAD) $(SRC_EXAMPLES)
HEADERS      := $(wildcard protocol/*.h store/*.h selector/*.h selector/*/*.h clients/*/*.h test/*/*.h)

object  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
OBJ_PROTOCOL := $(call object,$(SRC_PROTOCOL))
OBJ_STORE    := $(call object,$(SRC_STORE))
OBJ_SELECT   := $(call object,$(SRC_SELECT))
OBJ_DAEMON   := $(call object,$(SRC_DAEMON))
OBJ_CLIENT   := $(call object,$(SRC_CLIENT))
OBJ_CTL      := $(call object,$(SRC_CTL))

PROGRAMS := $(BUILD)/curated $(BUILD)/curatectl
LIBRARIES := $(BUILD)/libcurated.so $(BUILD)/libcurated-select.so
TESTS    := $(patsubst test/%.c,$(BUILD)/test/%,$(SRC_TEST))
BENCHES  := $(patsubst test/bench/%.c,$(BUILD)/bench/%,$(SRC_BENCH))
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(SRC_EXAMPLES))
VENV     := $(BUILD)/venv
DEPS_DONE := $(BUILD)/.deps
MANPAGES := $(wildcard docs/man/*)

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: print-flags print-sources print-headers all deps demo test test-c test-python test-peers fuzz bench bench-peers lint format asan tsan install clean help

all: $(PROGRAMS) $(LIBRARIES) $(EXAMPLES) $(BUILD)/compile_commands.json ## build everything

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- what must be installed -------------------------------------------------------------------------------------------------

deps: $(DEPS_DONE) ## install the Debian packages and the Python environment that are missing

$(DEPS_DONE): deps/install deps/debian.txt deps/requirements.txt $(wildcard clients/python/pyproject.toml)
	deps/install $(BUILD)
	@touch $@

# --- programs and libraries -------------------------------------------------------------------------------------------------

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/curated: $(OBJ_DAEMON) $(OBJ_STORE) $(OBJ_PROTOCOL) $(OBJ_SELECT)
	$(CC) $(LDFLAGS) $^ $(LIBS_DAEMON) -o $@

$(BUILD)/curatectl: $(OBJ_CTL) $(OBJ_CLIENT) $(OBJ_PROTOCOL) $(OBJ_STORE)
	$(CC) $(LDFLAGS) $^ $(LIBS_CLIENT) -llmdb -lxxhash $(LIBS_CTL) -o $@

$(BUILD)/libcurated.so: $(OBJ_CLIENT) $(OBJ_PROTOCOL)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libcurated.so.0 $^ $(LIBS_CLIENT) -o $@

$(BUILD)/libcurated-select.so: $(OBJ_SELECT)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,libcurated-select.so.0 $^ $(LIBS_SELECT) -o $@

$(BUILD)/examples/%: $(BUILD)/obj/examples/%.o
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS_CLIENT) -o $@

$(BUILD)/test/%: $(BUILD)/obj/test/%.o $(OBJ_STORE) $(OBJ_PROTOCOL) $(OBJ_SELECT) $(OBJ_CLIENT) $(filter-out %/main.o,$(OBJ_DAEMON) $(OBJ_CTL))
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS_DAEMON) $(LIBS_CTL) $(LIBS_TEST) -o $@

$(BUILD)/bench/%: $(BUILD)/obj/test/bench/%.o $(OBJ_STORE) $(OBJ_PROTOCOL) $(OBJ_SELECT) $(OBJ_CLIENT)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $^ $(LIBS_DAEMON) -o $@

comma := ,
compile_command = {"directory": "$(CURDIR)"$(comma) "file": "$(1)"$(comma) "command": "$(subst ",\",$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS)) -c $(1)"}
$(BUILD)/compile_commands.json: $(SOURCES) Makefile
	@mkdir -p $(@D)
	$(file >$@,[)
	$(foreach source,$(SOURCES),$(file >>$@,$(call compile_command,$(source))$(if $(filter-out $(lastword $(SOURCES)),$(source)),$(comma))))
	$(file >>$@,])
	@:

# --- checks -----------------------------------------------------------------------------------------------------------------

test: $(DEPS_DONE) ## run every test: C, C under the sanitizers, Python with a real daemon, beside other packages
	$(MAKE) all test-c
	$(MAKE) asan
	$(MAKE) tsan
	$(MAKE) test-python
	$(MAKE) test-peers

test-c: $(TESTS) $(BUILD)/curated ## run the C tests; some start the daemon
	@failed=0; for program in $(TESTS); do echo "# $$program"; $$program || failed=1; done; exit $$failed

test-python: $(DEPS_DONE) all ## run the Python tests against a real daemon
	$(VENV)/bin/python -m pytest -q test

# A library with a sanitizer in it can't be linked to a program without: what tests the installation is left out.
TEST_DAEMON = $(VENV)/bin/python -m pytest -q test/daemon --ignore=test/daemon/test_install.py

asan: $(DEPS_DONE) ## run the C tests and a daemon under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" OPTIMIZE="-O1 -g -fno-omit-frame-pointer" all test-c
	CURATED_BUILD=$(BUILD)/asan $(TEST_DAEMON)

tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/test/tsan.supp
tsan: $(DEPS_DONE) ## run the C tests and a daemon under ThreadSanitizer
	$(MAKE) BUILD=$(BUILD)/tsan SANITIZE="-fsanitize=thread" OPTIMIZE="-O1 -g -fno-omit-frame-pointer" all test-c
	CURATED_BUILD=$(BUILD)/tsan $(TEST_DAEMON)

SRC_FUZZED := $(SRC_PROTOCOL) $(SRC_CLIENT) clients/curatectl/json.c clients/curatectl/view.c
$(BUILD)/fuzz/fuzz_%: test/fuzz/fuzz_%.c $(SRC_FUZZED)
	@mkdir -p $(@D)
	clang $(CPPFLAGS) $(PKG_CFLAGS) -std=c17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $^ $(LIBS_CLIENT) -ljansson -o $@

fuzz: $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard test/fuzz/fuzz_*.c)) ## fuzz the decoders for FUZZ_SECONDS (30) each, from a fixed seed
	@python3 test/fuzz/seeds.py $(BUILD)/fuzz
	@for program in $^; do echo "# $$program"; $$program -seed=1 -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -rss_limit_mb=2048 -verbosity=0 \
	  -dict=test/fuzz/request.dict -artifact_prefix=$(BUILD)/fuzz/ -print_final_stats=1 $$program.corpus || exit 1; done

bench: $(DEPS_DONE) ## measure against baselines of the same run; JSON lines in build/bench.jsonl
	$(MAKE) all $(BENCHES)
	$(VENV)/bin/python test/bench/run.py --build $(BUILD) --output $(BUILD)/bench.jsonl

# The peers have an environment of their own: they want other versions of what the tests want.
PEERS := $(BUILD)/peers
$(PEERS)/.done: test/bench/peers.txt
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install -q -r $< -e clients/python
	@touch $@

test-peers: $(DEPS_DONE) $(PEERS)/.done $(BUILD)/libcurated-select.so ## compare picks and objectives with other packages
	CURATED_BUILD=$(BUILD) $(PEERS)/bin/python -m pytest -q test/peers

bench-peers: $(DEPS_DONE) $(PEERS)/.done ## measure the selection beside other packages; JSON lines in build/bench-peers.jsonl
	$(MAKE) all $(BUILD)/bench/bench_gemm
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE CURATED_SELECT_LIBRARY=$(BUILD)/libcurated-select.so $(PEERS)/bin/python test/bench/peers.py --output $(BUILD)/bench-peers.jsonl

demo: $(DEPS_DONE) ## the whole job on real images: auto against random, equal money (SEEDS=5 repeats it)
	$(MAKE) all
	$(VENV)/bin/python examples/demo/demo.py --build $(BUILD) --seeds $(SEEDS)

# For deps/lint: how a source is compiled, and what there is.
print-flags:
	$(info $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS))
	@:
print-sources:
	$(info $(SOURCES) $(wildcard test/fuzz/*.c))
	@:
print-headers:
	$(info $(HEADERS))
	@:

lint: $(DEPS_DONE) ## warnings as errors with gcc and clang, clang-tidy, ruff, mypy, shellcheck, man pages
	deps/lint $(BUILD)

format: ## lay out the C and Python sources
	clang-format -i $(SOURCES) $(HEADERS)
	$(VENV)/bin/ruff format .

install: all ## install under $(DESTDIR)$(PREFIX)
	deps/install-files "$(BUILD)" "$(DESTDIR)" "$(PREFIX)" "$(VERSION)"

clean: ## remove build/
	rm -rf $(BUILD)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(SOURCES))
