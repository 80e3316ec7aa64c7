// Memory that is free in this process and yet counted as ours.
#pragma once

namespace tidemill::host_linux {

// Gives pages that hold nothing back to the system. A burst of small objects leaves many between
// those that stay, which the allocator keeps. Walks the heap: for every now and then.
void give_back_free_memory();

}  // namespace tidemill::host_linux
