// From what was uploaded to a folder that can be looked at.
#pragma once

#include <string>
#include <vector>

#include "builder/detect.h"
#include "host/disk.h"
#include "image/tree.h"

namespace tidemill::builder {

// Unpacks the tar at `upload` into the new directory `tree`, without what is never source and what
// the folder's .tidemillignore (or else its .dockerignore) names. Returns what is left, sorted,
// with the contents that detect() wants. Errors: invalid (TM-407: refused, with the path),
// exhausted (TM-408: too large, or the disk is full), unavailable.
base::Result<std::vector<SourceFile>> take_source(host::Disk& disk, const std::string& upload,
                                                  const std::string& tree,
                                                  const image::TreeLimits& limits);

// The one program that CMake left below `directory`, as a path below it. Errors: invalid (TM-417:
// none, or several).
base::Result<std::string> find_built_program(host::Disk& disk, const std::string& directory);

// Copies one file; `mode` is that of the copy.
base::Status copy_file(host::Disk& disk, const std::string& from, const std::string& to,
                       unsigned mode);

}  // namespace tidemill::builder
