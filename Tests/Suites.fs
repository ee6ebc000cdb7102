/// The two suites: what runs on every change, and what takes its time.
module CnnCluster.Tests.Suites

open Expecto

type Suite =
    | Fast
    | Long

/// A test list whose name ends so is long as a whole.
[<Literal>]
let LongMark = "(long)"

/// Names that several tests have: Expecto runs none where there are such, and says nothing of them to a printer of one's own.
let repeatedNames tests =
    Test.toTestCodeList tests
    |> Seq.countBy (fun test -> System.String.Join('.', test.name))
    |> Seq.filter (fun (_, count) -> count > 1)
    |> Seq.map fst
    |> List.ofSeq

/// The part of a tree of tests that a suite runs, or nothing. Each test is in exactly one suite.
let rec only suite test =
    match test with
    | TestLabel(name, _, _) when name.EndsWith LongMark -> if suite = Long then Some test else None
    | TestLabel(name, inner, state) -> only suite inner |> Option.map (fun kept -> TestLabel(name, kept, state))
    | Test.Sequenced(how, inner) -> only suite inner |> Option.map (fun kept -> Test.Sequenced(how, kept))
    | TestCase _ -> if suite = Fast then Some test else None
    | TestList(tests, state) ->
        match List.choose (only suite) tests with
        | [] -> None
        | kept -> Some(TestList(kept, state))
