// Where things lie in the API.
#pragma once

#include <string>
#include <string_view>

namespace tidemill::cli::paths {

inline constexpr std::string_view merge_patch = "application/merge-patch+json";

// "/apis/serving.knative.dev/v1/namespaces/NS/services", with "/NAME" when one is given; without
// the namespace when `space` is empty.
std::string serving(std::string_view space, std::string_view plural, std::string_view name = {});
// The same below /api/v1.
std::string core(std::string_view space, std::string_view plural, std::string_view name = {});
// The same below /apis/tidemill.dev/v1.
std::string platform(std::string_view space, std::string_view plural, std::string_view name = {});
// "?labelSelector=KEY%3DVALUE"
std::string with_label(std::string_view key, std::string_view value);

inline constexpr std::string_view service_label = "serving.knative.dev/service";
inline constexpr std::string_view revision_label = "serving.knative.dev/revision";
inline constexpr std::string_view generation_label = "serving.knative.dev/configurationGeneration";

}  // namespace tidemill::cli::paths
