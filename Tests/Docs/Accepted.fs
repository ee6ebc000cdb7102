/// Files of the repository that are made from the catalogues, and checked in.
module CnnCluster.Tests.Docs.Accepted

open System
open System.IO
open Expecto
open CnnCluster.Tests

/// Set to 1, writes anew what differs.
let private accepting = Environment.GetEnvironmentVariable "CNN_ACCEPT" = "1"

/// Whether a file says what it should; `CNN_ACCEPT=1` makes it say so.
let isCurrent path (expected: string) =
    let file = Repository.file path

    if accepting && File.ReadAllText file <> expected then
        File.WriteAllText(file, expected)

    Expect.equal (File.ReadAllText file) expected $"{path}: is it stale? CNN_ACCEPT=1 ./cnn test writes it anew"
