// The rules of what runs: containers, probes, ports, variables, volumes.
#pragma once

#include <string>

#include "model/object/problem.h"
#include "model/serving/serving.h"
#include "model/settings/config.h"

namespace tidemill::model {

Problems validate_pod(const RevisionSpec& spec, const Features& features, const std::string& path);
Problems validate_volumes(const RevisionSpec& spec, const std::string& path);
Problems validate_volume_mounts(const Container& container, const std::vector<Volume>& volumes,
                                const std::string& path);
// `port` is the one that the container serves on; the container serves requests.
Problems validate_probe(const Probe& probe, const ContainerPort& port, const std::string& path);
Problems validate_readiness_probe(const Probe& probe, const ContainerPort& port,
                                  const std::string& path);

}  // namespace tidemill::model
