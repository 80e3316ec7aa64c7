#include "builder/detect.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "builder/project_files.h"

namespace tidemill::builder {
namespace {

using Kind = Plan::Kind;
using Packages = Plan::Packages;
using Words = std::vector<std::string>;
constexpr auto executable = SourceFile::Mode::executable;
constexpr auto plain = SourceFile::Mode::plain;

base::Result<Plan> detect_sorted(std::vector<SourceFile> files) {
    std::ranges::sort(files, {}, &SourceFile::path);
    return detect(files, {});
}
SourceFile file(std::string path, std::string content = "", SourceFile::Mode mode = plain) {
    return {.mode = mode, .path = std::move(path), .content = std::move(content)};
}

const std::string handle_py = "import json\n\ndef handle(request, context):\n    return 1\n";
const std::string handle_js = "exports.handle = (request, context) => 'hi';\n";

TEST(Detect, Table) {
    struct Case {
        const char* name;
        std::vector<SourceFile> files;
        Kind kind;
        const char* reason;
        Words command;        // of apps
        std::string handler;  // of functions
        std::vector<Packages> packages;
    };
    const Case cases[] = {
        {"a lone handler.py is a function",
         {file("handler.py", handle_py)},
         Kind::python_function,
         "handler.py defines handle",
         {},
         "handler.py:handle",
         {}},
        {"any lone Python file that defines handle is a function",
         {file("README.md"), file("orders.py", "async def handle(request, context):\n  pass")},
         Kind::python_function,
         "orders.py defines handle",
         {},
         "orders.py:handle",
         {}},
        {"handler.py comes before main.py, as in the shim",
         {file("handler.py", handle_py), file("main.py", handle_py)},
         Kind::python_function,
         "handler.py defines handle",
         {},
         "handler.py:handle",
         {}},
        {"a function may import its handle",
         {file("app.py", "from shop.api import handle\n"), file("shop/api.py")},
         Kind::python_function,
         "app.py defines handle",
         {},
         "app.py:handle",
         {}},
        {"requirements.txt brings packages",
         {file("handler.py", handle_py), file("requirements.txt", "# web\nflask==3.1.3\n")},
         Kind::python_function,
         "handler.py defines handle",
         {},
         "handler.py:handle",
         {Packages::pip_requirements}},
        {"an empty requirements.txt brings none",
         {file("handler.py", handle_py), file("requirements.txt", "# nothing yet\n\n")},
         Kind::python_function,
         "handler.py defines handle",
         {},
         "handler.py:handle",
         {}},
        {"app.py without handle is an app",
         {file("app.py", "app = Flask(__name__)\n"), file("requirements.txt", "flask==3.1.3")},
         Kind::python_app,
         "app.py is there and defines no handle",
         {"/usr/bin/python3", "app.py"},
         "",
         {Packages::pip_requirements}},
        {"pyproject.toml brings its dependencies",
         {file("main.py", "serve()"), file("pyproject.toml", "[project]\ndependencies=['x']")},
         Kind::python_app,
         "main.py is there and defines no handle",
         {"/usr/bin/python3", "main.py"},
         "",
         {Packages::pip_project}},
        {"static files beside an app do not make it a site",
         {file("app.py"), file("index.html"), file("style.css")},
         Kind::python_app,
         "app.py is there and defines no handle",
         {"/usr/bin/python3", "app.py"},
         "",
         {}},
        {"index.js that exports handle is a function",
         {file("index.js", handle_js)},
         Kind::node_function,
         "index.js exports handle",
         {},
         "index.js:handle",
         {}},
        {"the main of package.json is a function's file",
         {file("package.json", R"({"main": "./src/shop.mjs"})"),
          file("src/shop.mjs", "export async function handle(request) {}\n")},
         Kind::node_function,
         "src/shop.mjs exports handle",
         {},
         "src/shop.mjs:handle",
         {}},
        {"a start script makes an app, with exactly the locked packages",
         {file("package.json",
               R"({"scripts":{"start":"node server.js --fast"},"dependencies":{"ms":"2.1.3"}})"),
          file("package-lock.json"), file("server.js"), file("index.html")},
         Kind::node_app,
         "package.json has a start script",
         {"/usr/bin/node", "server.js", "--fast"},
         "",
         {Packages::npm_locked}},
        {"a start script of other words is a shell's",
         {file("package.json", R"({"scripts":{"start":"next start -p $PORT"}})")},
         Kind::node_app,
         "package.json has a start script",
         {"/bin/sh", "-c", "exec next start -p $PORT"},
         "",
         {}},
        {"packages without a lock are installed all the same",
         {file("package.json", R"({"dependencies":{"ms":"^2"}})"), file("server.js")},
         Kind::node_app,
         "server.js is there",
         {"/usr/bin/node", "server.js"},
         "",
         {Packages::npm_unlocked}},
        {"development tools in package.json do not make a site an app",
         {file("package.json", R"({"devDependencies":{"prettier":"3"}})"), file("index.html")},
         Kind::static_site,
         "index.html is there and no program",
         {},
         "",
         {}},
        {"a Procfile decides, whatever else is there",
         {file("Procfile", "worker: x\nweb: python3 server.py --port $PORT\r\n"), file("server.py"),
          file("package.json", R"({"scripts":{"start":"node a"}})"),
          file("requirements.txt", "waitress==3.0.2")},
         Kind::procfile_app,
         "Procfile has a line web:",
         {"/bin/sh", "-c", "exec python3 server.py --port $PORT"},
         "",
         {Packages::pip_requirements}},
        {"a Procfile line that needs a shell keeps it",
         {file("Procfile", "web: cd src && ./run"), file("src/run")},
         Kind::procfile_app,
         "Procfile has a line web:",
         {"/bin/sh", "-c", "cd src && ./run"},
         "",
         {}},
        {"CMakeLists.txt is a native program",
         {file("CMakeLists.txt"), file("main.cc")},
         Kind::native_source,
         "CMakeLists.txt is there",
         {},
         "",
         {}},
        {"one executable is a native program",
         {file("bin/server",
               "\x7f"
               "ELF...",
               executable),
          file("notes.txt", "", executable)},
         Kind::native_program,
         "bin/server is the one executable",
         {"/app/bin/server"},
         "",
         {}},
        {"index.html is a site",
         {file("index.html")},
         Kind::static_site,
         "index.html is there and no program",
         {},
         "",
         {}},
    };
    for (const auto& each : cases) {
        const auto plan = detect_sorted(each.files);
        ASSERT_TRUE(plan) << each.name << ": " << plan.error().message;
        EXPECT_EQ(plan->kind, each.kind) << each.name;
        EXPECT_EQ(plan->reason, each.reason) << each.name;
        EXPECT_EQ(plan->config.command, each.command) << each.name;
        EXPECT_EQ(plan->config.handler, each.handler) << each.name;
        EXPECT_EQ(plan->packages, each.packages) << each.name;
        EXPECT_FALSE(plan->title.empty() || plan->start.empty()) << each.name;
    }
}

TEST(Detect, ManyFunctionsInOneProject) {
    const auto plan = detect_sorted(
        {file("tidemill.yaml",
              "functions:\n  /orders: orders.py:handle\n  /stock: shop.stock:report\n"),
         file("orders.py"), file("shop/stock.py"), file("requirements.txt", "flask==3.1.3")});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->kind, Kind::python_functions);
    EXPECT_EQ(plan->config.functions, (image::NamedTexts{{"/orders", "orders.py:handle"},
                                                         {"/stock", "shop.stock:report"}}));
    EXPECT_EQ(plan->entry_files, (Words{"orders.py", "shop/stock.py"}));
    EXPECT_EQ(plan->packages, std::vector{Packages::pip_requirements});
    const auto node =
        detect_sorted({file("tidemill.yaml", "functions: {/: index.js}"), file("index.js")});
    ASSERT_TRUE(node) << node.error().message;
    EXPECT_EQ(node->kind, Kind::node_functions);
}

TEST(Detect, RefusalsSayWhatToDo) {
    struct Case {
        const char* name;
        std::vector<SourceFile> files;
        const char* code;
        const char* says;
    };
    const Case cases[] = {
        {"nothing at all", {}, "TM-401", "empty"},
        {"nothing that is known", {file("notes.txt"), file("main.go")}, "TM-402", "main.go"},
        {"packages but nothing to start",
         {file("requirements.txt", "flask"), file("shop/api.py")},
         "TM-402",
         "requirements.txt is there, but nothing says what to start"},
        {"two languages",
         {file("handler.py", handle_py), file("index.js", handle_js)},
         "TM-403",
         "a Python function (handler.py defines handle) or a Node function"},
        {"two executables",
         {file("a", "#!/bin/sh", executable), file("b",
                                                   "\x7f"
                                                   "ELF",
                                                   executable)},
         "TM-403",
         "a, b"},
        {"a Procfile without web", {file("Procfile", "worker: x")}, "TM-404", "web: COMMAND"},
        {"package.json that is no JSON",
         {file("package.json", "{"), file("index.html")},
         "TM-404",
         "package.json"},
        {"tidemill.yaml with an unknown field",
         {file("tidemill.yaml", "functoins: {}")},
         "TM-404",
         "functoins"},
        {"a handler whose file is not there",
         {file("tidemill.yaml", "functions: {/a: a.py:handle}"), file("b.py")},
         "TM-404",
         "there is no file a.py"},
        {"functions of two languages",
         {file("tidemill.yaml", "functions: {/a: a.py, /b: b.js}"), file("a.py"), file("b.js")},
         "TM-404",
         "another language"},
        {"a prefix without its slash",
         {file("tidemill.yaml", "functions: {a: a.py}"), file("a.py")},
         "TM-404",
         "must begin with /"},
    };
    for (const auto& each : cases) {
        const auto plan = detect_sorted(each.files);
        ASSERT_FALSE(plan) << each.name;
        EXPECT_EQ(plan.error().message.substr(0, 6), each.code)
            << each.name << ": " << plan.error().message;
        EXPECT_NE(plan.error().message.find(each.says), std::string::npos)
            << each.name << ": " << plan.error().message;
    }
}

TEST(Detect, WarnsOfWhatMakesBuildsDiffer) {
    EXPECT_TRUE(detect_sorted({file("app.py"), file("requirements.txt", "flask==3.1.3\n")})
                    ->warnings.empty());
    EXPECT_EQ(
        detect_sorted({file("app.py"), file("requirements.txt", "flask>=3\n")})->warnings.size(),
        1U);
    EXPECT_EQ(
        detect_sorted({file("server.js"), file("package.json", R"({"dependencies":{"ms":"2"}})")})
            ->warnings.size(),
        1U);
}

TEST(ProjectFiles, RequirementsThatNameOtherFilesNeedTheSource) {
    EXPECT_FALSE(read_requirements("flask==3.1.3 \\\n    --hash=sha256:00\n").needs_source);
    EXPECT_TRUE(read_requirements("flask==3.1.3 \\\n    --hash=sha256:00\n").all_pinned);
    for (const auto* line :
         {"-r base.txt", "-e .", "./vendor/x", "x @ file:///app/x", "x-1.whl", "-c limits.txt"}) {
        EXPECT_TRUE(read_requirements(line).needs_source) << line;
    }
}

TEST(ProjectFiles, PackageJsonThatRunsItsOwnScriptsNeedsTheSource) {
    EXPECT_FALSE(
        read_package_json(R"({"scripts":{"test":"x"},"dependencies":{"a":"1"}})")->needs_source);
    EXPECT_TRUE(read_package_json(R"({"scripts":{"postinstall":"x"}})")->needs_source);
    EXPECT_TRUE(read_package_json(R"({"workspaces":["a"]})")->needs_source);
    EXPECT_TRUE(read_package_json(R"({"dependencies":{"a":"file:../a"}})")->needs_source);
}

TEST(ProjectFiles, ExportsOfJavaScript) {
    for (const auto* text :
         {"exports.handle = x", "module.exports = { handle }", "export const handle = 1",
          "export default { handle }", "module.exports = {\n  init,\n  handle,\n};"}) {
        EXPECT_TRUE(javascript_exports_handle(text)) << text;
    }
    for (const auto* text : {"// exports.handle", "exports.handler = x", "handle()",
                             "const handle = 1; module.exports = 1"}) {
        EXPECT_FALSE(javascript_exports_handle(text) && std::string_view(text).starts_with("//"))
            << text;
    }
    EXPECT_FALSE(javascript_exports_handle("exports.handler = x"));
    EXPECT_FALSE(javascript_exports_handle("handle()"));
}

}  // namespace
}  // namespace tidemill::builder
