// A store under random clients, crashes and failing disks.
#pragma once

#include <cstdint>

#include "seeds.h"

namespace tidemill::sim {

// One run. Holds, whatever happens: every acknowledged write is there after a restart; nothing
// refused ever appears; what is visible is durable; revisions go up by one and are never given
// twice; updates and deletes honour their preconditions; writes of one object are decided in the
// order they were asked; every watch tells exactly the changes since its beginning, in order, or
// that it is expired; pages of one list are of one state; spec, status and generation do not
// disturb each other; what is garbage goes; a store whose disk has healed works again.
SimReport run_store_world(std::uint64_t seed);

}  // namespace tidemill::sim
