// Planted bugs: places where a test build of a room can be made wrong on purpose, so that the
// simulation proves that it would notice.
#pragma once

#include <string_view>

namespace tidemill::base {

// True when the bug of this name is the one that runs now. Defined by tests/sim/mutants, which
// alone compile with TIDEMILL_MUTANTS.
bool mutant_active(std::string_view name);

}  // namespace tidemill::base

// `if (!TIDEMILL_MUTANT("store.no_sync")) { ... }`: a constant false in every build but that of
// tests/sim/mutants, which says how to add one.
#ifdef TIDEMILL_MUTANTS
#define TIDEMILL_MUTANT(name) ::tidemill::base::mutant_active(name)
#else
#define TIDEMILL_MUTANT(name) false
#endif
