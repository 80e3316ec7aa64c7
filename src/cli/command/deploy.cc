// deploy: from a folder to a URL.
#include <fmt/format.h>

#include <functional>

#include "base/text.h"
#include "cli/api/documents.h"
#include "cli/api/paths.h"
#include "cli/api/service_document.h"
#include "cli/api/services.h"
#include "cli/api/session.h"
#include "cli/api/source_tar.h"
#include "cli/api/traffic.h"
#include "cli/api/wait.h"
#include "cli/command/commands.h"
#include "cli/text/progress.h"
#include "cli/text/table.h"
#include "wire/url.h"

namespace tidemill::cli {
namespace {

using base::Code;
using base::fail;
using base::Result;

constexpr auto wait_default = std::chrono::seconds(120);
// A build that says nothing for so long hangs.
constexpr auto build_silence_max = std::chrono::minutes(10);
constexpr std::size_t archive_piece_bytes = 64U << 10;
// How the server tells an image from a source folder (docs/api.md).
constexpr std::string_view image_archive_type = "application/vnd.tidemill.image+tar";

enum class Source : std::uint8_t {
    folder,   // of source
    layout,   // a folder that holds an image: an OCI layout
    archive,  // a file that holds an image: a tar of a layout, or of `docker save`
    image,    // that the server has or can pull
};

// Whether `name` could be an image of a registry: something says where it is, or which.
bool looks_like_image(std::string_view name) {
    const bool path_like = name.front() == '.' || name.front() == '/' || name.front() == '~';
    return !path_like && name.find_first_of(":@/") != std::string_view::npos;
}

// What `what` is. Errors: not_found, invalid.
Result<Source> tell_source(host::Disk& disk, const std::string& what) {
    if (what.starts_with("dev.local/")) {
        return Source::image;
    }
    if (disk.list(what)) {
        return disk.info(what + "/oci-layout") && disk.info(what + "/index.json") ? Source::layout
                                                                                  : Source::folder;
    }
    if (disk.info(what)) {
        for (const std::string_view ending : {".tar", ".tar.gz", ".tgz"}) {
            if (what.ends_with(ending)) {
                return Source::archive;
            }
        }
        return fail(Code::invalid,
                    "{} is a file; give the folder it is in, or an image as a .tar file", what);
    }
    if (looks_like_image(what)) {
        return Source::image;
    }
    return fail(Code::not_found,
                "there is no folder {0}; if an image is meant, write its tag: {0}:latest", what);
}

// What a folder is called, as a name for its service; empty when it cannot be one.
std::string name_from(const Context& context, std::string path) {
    if (path == "." || path == "./") {
        path = context.variable("PWD");
    }
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    std::string name;
    for (const char c : path.substr(path.rfind('/') + 1)) {
        const char low = base::to_lower(c);
        const bool fits = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
        name += fits ? low : '-';
    }
    const bool begins_well = !name.empty() && name.front() >= 'a' && name.front() <= 'z';
    return begins_well && name.back() != '-' ? name : std::string();
}

void show_plan(Session& session, const wire::Json& plan) {
    if (!plan.is_object()) {
        return;
    }
    Table table;
    for (const auto& [key, value] : plan.get_object()) {
        if (value.is_array()) {
            for (const auto& each : value.get_array()) {
                table.add({fmt::format("  {}", std::string_view(key)), cell_text(each)});
            }
        } else if (!value.is_object()) {
            table.add({fmt::format("  {}", std::string_view(key)), cell_text(value)});
        }
    }
    session.context().err.write(table.text());
}

// What the server says while it builds.
struct Building {
    Session& session;
    Progress& progress;
    std::string image;
    std::optional<base::Error> error;

    // False ends the talk.
    bool take(std::string_view line) {
        const auto said = wire::parse_json(line);
        if (!said) {
            error = base::Error{
                Code::unavailable,
                fmt::format("the server's answer is not understood: {}", said.error().message)};
            return false;
        }
        if (const auto* const log = member(*said, "log")) {
            auto text = cell_text(*log);
            text.erase(text.find_last_not_of("\r\n") + 1);
            for (const auto each : base::split(text, '\n')) {
                progress.line(each);
            }
        }
        // With the image the plan comes once more, as a record of what was done.
        if (const auto* const plan = member(*said, "plan");
            plan != nullptr && member(*said, "image") == nullptr) {
            if (session.given().text("--progress") != "json") {
                progress.line("plan:");
                show_plan(session, *plan);
            }
        }
        if (const auto* const wrong = member(*said, "error")) {
            const auto message = text_at(*wrong, "message");
            error = base::Error{text_at(*wrong, "code") == "denied" ? Code::denied : Code::invalid,
                                message.empty() ? cell_text(*wrong) : message};
        }
        if (auto made = text_at(*said, "image"); !made.empty()) {
            image = std::move(made);
        }
        return true;
    }
};

// What is sent, piece by piece.
struct Sending {
    std::string content_type;
    std::function<Result<std::optional<std::string>>()> next;
};

// The image that the server made of it.
async::Task<Result<std::string>> send(Session& session, Progress& progress, std::string space,
                                      std::string name, Sending sending) {
    CO_TRY(auto* const api, session.api());
    std::optional<base::Error> read_error;
    http::ClientRequest request;
    request.method = "POST";
    request.target = paths::platform(space, "sources", name);
    request.body_source = [&]() -> async::Task<Result<std::optional<std::string>>> {
        auto piece = sending.next();
        if (!piece) {
            read_error = piece.error();
        }
        co_return piece;
    };
    client::CallOptions options;
    options.content_type = sending.content_type;
    options.limit = build_silence_max;
    Building building{.session = session, .progress = progress, .image = {}, .error = {}};
    auto take = [&building](std::string_view line) { return building.take(line); };
    const auto talked =
        co_await api->stream(std::move(request), std::move(options), std::move(take));
    if (read_error) {
        building.error = read_error;
    } else if (!building.error && !talked) {
        building.error = talked.error();
    } else if (!building.error && building.image.empty()) {
        building.error =
            base::Error{Code::unavailable, "the server ended its answer before the build was done"};
    }
    if (building.error) {
        progress.failed();
        co_return std::unexpected(*std::move(building.error));
    }
    co_return std::move(building.image);
}

// `folder` outlives the task.
async::Task<Result<std::string>> send_folder(Session& session, Progress& progress,
                                             std::string space, std::string name, Source source,
                                             const SourceFolder& folder) {
    progress.begin(source == Source::layout ? "upload the image" : "upload and build");
    for (const auto& left_out : folder.left_out) {
        progress.line(fmt::format("not sent (no file, or a link that leads out): {}", left_out));
    }
    SourceTar tar(session.host().disk, folder);
    CO_TRY(auto image,
           co_await send(session, progress, std::move(space), std::move(name),
                         {.content_type = std::string(
                              source == Source::layout ? image_archive_type : "application/x-tar"),
                          .next = [&tar] { return tar.next(); }}));
    progress.done(fmt::format("{} files, {} bytes", folder.files.size(), folder.bytes));
    co_return image;
}

async::Task<Result<std::string>> send_archive(Session& session, Progress& progress,
                                              std::string space, std::string name,
                                              std::string path) {
    CO_TRY(const auto file, session.host().disk.open(path, host::Disk::Open::read));
    progress.begin("upload the image");
    std::uint64_t sent = 0;
    auto next = [&file, &sent]() -> Result<std::optional<std::string>> {
        std::string piece(archive_piece_bytes, '\0');
        TRY(const auto got, file->read_at(sent, piece));
        piece.resize(got);
        sent += got;
        return got == 0 ? std::nullopt : std::optional(std::move(piece));
    };
    CO_TRY(auto image, co_await send(session, progress, std::move(space), std::move(name),
                                     {.content_type = std::string(image_archive_type),
                                      .next = std::move(next)}));
    progress.done(fmt::format("{} bytes", sent));
    co_return image;
}

// Creates the service or changes the one that is there; on trial the server checks, and nothing is
// stored.
enum class Effect : std::uint8_t { write, trial };
async::Task<Result<wire::Json>> put_service(Session& session, std::string space, std::string name,
                                            ServiceWish wish, Effect effect) {
    const std::string query = effect == Effect::trial ? "?dryRun=All" : "";
    CO_TRY(auto* const api, session.api());
    auto there = co_await api->json("GET", paths::serving(space, "services", name), "", {});
    if (!there && there.error().code != Code::not_found) {
        co_return there;
    }
    if (!there) {
        if (wish.traffic == ServiceWish::Traffic::stay) {
            co_return fail(Code::invalid,
                           "--no-traffic: {} is new, so no earlier revision could take the traffic",
                           name);
        }
        auto made = co_await api->json("POST", paths::serving(space, "services") + query,
                                       wire::write_json(new_service(space, name, wish)), {});
        if (made) {
            co_return made;
        }
        if (made.error().code != Code::conflict) {
            // Kubernetes' sentence names the field, not the value.
            co_return base::wrap(fmt::format("service \"{}\": ", name), std::move(made).error());
        }
    }
    auto patch_of = [&wish](const wire::Json& service) { return service_patch(service, wish); };
    co_return co_await change_service(session, space, name, std::move(patch_of), query);
}

// What a caller should know beside the URL: how to reach it, and a split that passes it by.
async::Task<void> show_way(Session& session, wire::Json service) {
    const auto url = text_at(service, "status.url");
    const auto& traffic = list_at(service, "status.traffic");
    const auto newest = text_at(service, "status.latestReadyRevisionName");
    if (percent_of(traffic, newest) < 100) {
        session.say(
            fmt::format("Traffic: {}. To send all of it to the new revision: tidemill "
                        "traffic {} --to @latest=100",
                        traffic_text(traffic), name_of(service)));
    }
    const auto address = co_await proxy_address(session, url);
    session.say(fmt::format("Try: curl -H 'Host: {}' http://{}/", host_of_url(url), address));
}

async::Task<Outcome> run_deploy(Session& session) {
    if (session.words().size() != 1) {
        co_return session.misuse("give one folder or image");
    }
    auto wish = read_service_wish(session.given());
    const auto limit = duration_flag(session.given(), "--wait", wait_default);
    if (!wish || !limit) {
        co_return session.misuse(wish ? limit.error().message : wish.error().message);
    }
    const auto& what = session.words().front();
    const auto source = what.empty() ? Result<Source>(fail(Code::not_found, "the path is empty"))
                                     : tell_source(session.host().disk, what);
    if (!source) {
        co_return std::unexpected(source.error());
    }
    auto name = session.given().text("--name");
    if (name.empty() && (*source == Source::folder || *source == Source::layout)) {
        name = name_from(session.context(), what);
    }
    if (name.empty()) {
        co_return session.misuse("--name is missing: what shall the service be called?");
    }
    CO_CHECK_OK(session.api());
    const auto space = session.space();
    Progress progress(session);
    if (*source == Source::image) {
        wish->image = what;
    } else {
        // What the flags say is checked before minutes go into a build.
        auto trial = *wish;
        trial.image = fmt::format("dev.local/{}/{}@sha256:{:064}", space, name, 0);
        if (*source == Source::archive) {
            CO_CHECK_OK(
                co_await put_service(session, space, name, std::move(trial), Effect::trial));
            CO_TRY(wish->image, co_await send_archive(session, progress, space, name, what));
        } else {
            CO_TRY(const auto folder, read_source_folder(session.host().disk, what, {}));
            CO_CHECK_OK(
                co_await put_service(session, space, name, std::move(trial), Effect::trial));
            CO_TRY(wish->image,
                   co_await send_folder(session, progress, space, name, *source, folder));
        }
    }
    progress.begin(fmt::format("deploy {}", name));
    auto service = co_await put_service(session, space, name, *std::move(wish), Effect::write);
    if (!service) {
        progress.failed();
        co_return std::unexpected(std::move(service).error());
    }
    progress.done();
    if (limit->count() == 0) {
        session.say("Not waited for. See: tidemill describe " + name);
        co_return Exit::done;
    }
    progress.begin("wait until it answers");
    auto settled = co_await wait_until_settled(session, paths::serving(space, "services"),
                                               *std::move(service), *limit);
    if (!settled || settled->verdict != Verdict::ready) {
        progress.failed();
    }
    if (!settled) {
        co_return std::unexpected(std::move(settled).error());
    }
    if (settled->verdict != Verdict::ready) {
        co_await explain_failure(session, std::move(settled->object));
        co_return Exit::failure;
    }
    progress.done(text_at(settled->object, "status.latestReadyRevisionName"));
    co_await show_way(session, settled->object);
    session.print(text_at(settled->object, "status.url") + "\n");
    co_return Exit::done;
}

}  // namespace

Command deploy_command() {
    Command command{
        .name = "deploy",
        .arguments = "PATH|IMAGE --name NAME [flags]",
        .summary = "Build a folder, or take an image, and bring it to a URL",
        .examples = {"tidemill deploy ./folder --name shop",
                     "tidemill deploy registry.example/team/shop:1.2 --name shop",
                     "tidemill deploy ./image.tar --name shop",
                     "tidemill deploy . --name shop --env MODE=fast --min-scale 1",
                     "tidemill deploy ./folder --name shop --no-traffic"},
        .flags = {{.name = "--name",
                   .value = "NAME",
                   .help = "of the service (default: the folder's)"},
                  {.name = "--wait",
                   .value = "DURATION",
                   .help = "how long to wait until it answers (default 120s; 0: not at all)"},
                  {.name = "--proxy", .value = "ADDRESS", .help = "where requests go in"}},
        .details =
            "The URL is the last line of stdout; all else is said on stderr. What is set "
            "already and not named stays. An image is one of a registry, by tag or digest, a tar "
            "that `docker save` wrote, or an OCI layout as a folder or a tar.",
        .group = Command::Group::change,
        .run = &run_deploy};
    const auto more = service_flags();
    command.flags.insert(command.flags.end(), more.begin(), more.end());
    return command;
}

}  // namespace tidemill::cli
