// What this machine builds with.
#pragma once

#include "builder/packages.h"
#include "host/disk.h"

namespace tidemill::builder {

// Looks where Debian and hand-made installations put them; what builds see is /usr.
Tools survey_tools(host::Disk& disk);

}  // namespace tidemill::builder
