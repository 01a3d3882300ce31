# SPDX-License-Identifier: Apache-2.0
# A thin front for meson and ninja: `make` builds into build/, the other words stand in `make help`.

BUILD ?= build
# Only if given: where `make install` puts things (meson's default is /usr/local).
prefix ?=
DESTDIR ?=
# Seconds that `make fuzz` spends on each target.
FUZZ_TIME ?= 60

.PHONY: all help packages demo check bench soak gpu fuzz format install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
	@scripts/link-programs.sh $(BUILD) $(BUILD)

$(BUILD)/build.ninja:
	@scripts/install-packages.sh --look build
	meson setup $(if $(prefix),--prefix=$(prefix)) $(BUILD)

help:
	@echo 'make            build build/carve, build/carved and build/carve-sim'
	@echo 'make demo       install the packages needed, build, and show Carve on a simulated node'
	@echo 'make check      install the packages needed, build, and run all tests'
	@echo 'make packages   only install the packages that building needs'
	@echo 'make bench      measure; a table'
	@echo 'make soak       what takes long: a thousand kills under load, a virtual machine in an emulated guest'
	@echo 'make gpu        the tests that need a real NVIDIA GPU'
	@echo 'make fuzz       throw damaged input at the parsers (FUZZ_TIME=60 seconds each)'
	@echo 'make format     lay out the C files as the formatting check wants them'
	@echo 'make install    install (prefix=/usr/local, DESTDIR=)'
	@echo 'make clean      remove all build directories'

packages:
	@scripts/install-packages.sh build

demo:
	@scripts/demo.sh

check:
	@scripts/check.sh

bench: all
	@tests/run $(BUILD) --benchmarks

soak: all
	@ninja -C $(BUILD) meson-test-prereq
	@tests/run $(BUILD) --suite soak

gpu: all
	@ninja -C $(BUILD) meson-test-prereq
	@tests/run $(BUILD) --suite gpu

fuzz:
	@scripts/fuzz.sh $(FUZZ_TIME)

format:
	@clang-format-14 -i $$(find src include tests bench -name '*.[ch]')

install: all
	$(if $(prefix),@meson configure $(BUILD) -Dprefix=$(prefix))
	@meson install -C $(BUILD) $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	@[ -n "$(DESTDIR)" ] || scripts/after-install.sh

clean:
	rm -rf build build-check build-clang build-fuzz
