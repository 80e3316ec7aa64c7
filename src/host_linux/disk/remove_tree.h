// Deleting what others made.
#pragma once

#include <string>

#include "base/result.h"

namespace tidemill::host_linux {

// A directory with all that is in it, or a file; ok if nothing is there. Follows no link, whatever
// another process does meanwhile; holds a bounded number of descriptors and of stack frames however
// deep the tree is, because tenants make trees. Errors: denied, unavailable.
base::Status remove_tree(const std::string& path);

}  // namespace tidemill::host_linux
