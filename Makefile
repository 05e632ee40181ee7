# rcpt: make deps, make demo, make test; `make help` lists the rest.
# CFLAGS, PREFIX, DESTDIR, LUA are obeyed; libraries are found by pkg-config; nothing is downloaded
# but by `make deps` and `make servers`, both through the system's package manager.

BUILD   ?= build
CC      ?= cc
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
DESTDIR ?=
PKG     ?= pkg-config
LUA     ?= lua5.4
LUAJIT  ?= luajit

# An ABI is a Lua it is built for: 5.4, and 5.1 which is LuaJIT's.
ABIS    ?= 5.4 5.1
PC_5.4   = lua5.4
PC_5.1   = luajit

LIBS     = libcares libidn2 openssl
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
           -Wwrite-strings -Wundef
ifdef CI
WARN    += -Werror
endif
STD      = -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden
SHARED   = -shared -Wl,-z,nodelete -Wl,-z,relro,-z,now

SRC      = $(sort $(wildcard src/base/*.c src/wire/*.c src/io/*.c src/engine/*.c src/border/*.c))
SO       = $(ABIS:%=$(BUILD)/%/rcpt/core.so)

.PHONY: all help deps deps-demo servers demo test lint layers asan valgrind bench fuzz doc install uninstall clean

all: $(SO)                                 ## build the module for every ABI

help:                                      ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

define ABI_RULES
$(BUILD)/$(1)/%.o: src/%.c
	@mkdir -p $$(@D)
	$(CC) $(STD) $(WARN) $$(CFLAGS) -Isrc $$(shell $(PKG) --cflags $(PC_$(1)) $(LIBS)) -MMD -MP -c -o $$@ $$<
$(BUILD)/$(1)/rcpt/core.so: $(SRC:src/%.c=$(BUILD)/$(1)/%.o)
	@mkdir -p $$(@D)
	$(CC) $$(CFLAGS) $(SHARED) -o $$@ $$^ \
	  $$(LDFLAGS) $$(shell $(PKG) --libs $(LIBS)) -lunistring -lresolv
-include $(SRC:src/%.c=$(BUILD)/$(1)/%.d)
endef
$(foreach abi,$(ABIS),$(eval $(call ABI_RULES,$(abi))))

deps:                                      ## install what is missing (Debian), else say what
	@sh check/deps.sh

deps-demo:
	@sh check/deps.sh demo

servers: | deps                            ## unpack real mail and DNS servers into build/servers
	@sh spec/support/servers.sh

demo: | deps-demo                             ## the main job, on a small mail world on loopback
	@$(MAKE) --no-print-directory -s all
	@$(LUA) examples/demo.lua

test: | deps                               ## every spec on Lua 5.4 and LuaJIT
	@$(MAKE) --no-print-directory -s servers
	@$(MAKE) --no-print-directory -s all
	@BUILD=$(BUILD) sh check/test.sh

lint:                                      ## luacheck, cppcheck
	@sh check/lint.sh

layers: all                                ## does the tree keep its architecture?
	@BUILD=$(BUILD) sh check/layers.sh

ASAN = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan:                                      ## the specs under ASan and UBSan
	@$(MAKE) --no-print-directory -s all BUILD=build/asan CFLAGS="$(ASAN)" LDFLAGS="-fsanitize=address,undefined"
	@BUILD=build/asan CFLAGS="$(ASAN)" sh check/faults.sh
	@BUILD=build/asan CFLAGS="$(ASAN)" sh check/fuzz.sh replay
	@BUILD=build/asan RCPT_ASAN=1 sh check/test.sh

valgrind: all                              ## the unit specs under valgrind, Lua 5.4
	@BUILD=$(BUILD) sh check/valgrind.sh

fuzz:                                      ## SECONDS=60 of libFuzzer (clang) on each target
	@BUILD=build/fuzz sh check/fuzz.sh $${SECONDS:-60}

bench: all                                 ## figures, each beside a floor measured in the same run
	@BUILD=$(BUILD) sh bench/run.sh

doc:                                       ## the reference into doc/reference
	@ldoc -q -c doc/config.ld .

install: all                               ## into DESTDIR/PREFIX
	@BUILD=$(BUILD) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) ABIS="$(ABIS)" sh check/install.sh

uninstall:                                 ## what install put there
	@BUILD=$(BUILD) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) ABIS="$(ABIS)" sh check/install.sh remove

clean:                                     ## all that was built; the unpacked servers stay
	@rm -rf $(ABIS:%=$(BUILD)/%) build/asan build/bench build/fuzz build/spec doc/reference
