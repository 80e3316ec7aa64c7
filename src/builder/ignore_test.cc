#include "builder/ignore.h"

#include <gtest/gtest.h>

namespace tidemill::builder {
namespace {

using Dialect = IgnoreRules::Dialect;
using Type = IgnoreRules::Type;

TEST(Ignore, SomeThingsAreNeverSource) {
    for (const auto* path : {".git", "a/node_modules", "b/c/__pycache__", "venv", "x/y.pyc"}) {
        EXPECT_TRUE(is_never_source(path)) << path;
    }
    for (const auto* path : {"git", "node_modules.txt", "a/venv.py", "src"}) {
        EXPECT_FALSE(is_never_source(path)) << path;
    }
}

TEST(Ignore, Globs) {
    struct Case {
        const char* pattern;
        const char* path;
        bool matches;
    };
    const Case cases[] = {
        {"*.log", "a.log", true},
        {"*.log", "d/a.log", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"**/*.log", "a.log", true},
        {"**/*.log", "x/y/a.log", true},
        {"a/**", "a/b/c", true},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/b/b/c", true},
        {"a/**/c", "b/c", false},
        {"*a*b*c", "xxaxxbxxc", true},
        {"*a*b*c", "xxaxxbxx", false},
        {"", "", true},
        {"*", "", true},
    };
    for (const auto& each : cases) {
        EXPECT_EQ(glob_matches(each.pattern, each.path), each.matches)
            << each.pattern << " " << each.path;
    }
}

TEST(Ignore, AGlobOfManyStarsIsNoTrap) {
    std::string pattern;
    for (int i = 0; i < 200; ++i) {
        pattern += "*a";
    }
    EXPECT_FALSE(glob_matches(pattern, std::string(5000, 'a') + "b"));
    std::string parts;
    for (int i = 0; i < 200; ++i) {
        parts += "**/a/";
    }
    EXPECT_FALSE(glob_matches(parts + "b", parts + "c"));
}

TEST(Ignore, RulesOfGit) {
    const IgnoreRules rules("# comment\n\n*.log\n!keep.log\n/build\nout/\ndocs/*.md\r\n",
                            Dialect::git);
    EXPECT_TRUE(rules.ignores("a.log", Type::file));
    EXPECT_TRUE(rules.ignores("deep/a.log", Type::file));
    EXPECT_FALSE(rules.ignores("deep/keep.log", Type::file)) << "the last rule decides";
    EXPECT_TRUE(rules.ignores("build", Type::directory));
    EXPECT_FALSE(rules.ignores("src/build", Type::directory)) << "it is of the root only";
    EXPECT_TRUE(rules.ignores("src/out", Type::directory));
    EXPECT_FALSE(rules.ignores("src/out", Type::file)) << "it is of directories only";
    EXPECT_TRUE(rules.ignores("docs/a.md", Type::file));
    EXPECT_FALSE(rules.ignores("a.md", Type::file));
    EXPECT_FALSE(rules.ignores("# comment", Type::file));
}

TEST(Ignore, RulesOfDockerAreOfWholePaths) {
    const IgnoreRules rules("*.log\nsrc/\n", Dialect::docker);
    EXPECT_TRUE(rules.ignores("a.log", Type::file));
    EXPECT_FALSE(rules.ignores("deep/a.log", Type::file));
    EXPECT_TRUE(rules.ignores("src", Type::directory));
}

}  // namespace
}  // namespace tidemill::builder
