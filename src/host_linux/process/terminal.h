// Whether a person looks on.
#pragma once

namespace tidemill::host_linux {

bool is_terminal(int descriptor);

}  // namespace tidemill::host_linux
