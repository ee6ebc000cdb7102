module CnnCluster.Tests.SuitesTests

open Expecto
open CnnCluster.Tests.Suites

let private pass name = testCase name ignore

let private tree =
    testList
        "all"
        [ pass "a"
          testSequenced
          <| testList "whole runs (long)" [ pass "b"; testList "deep" [ pass "c" ] ]
          testList "mixed" [ pass "d"; testSequenced <| testList "slow (long)" [ pass "e" ] ]
          testList "only slow ones" [ testList "in here (long)" [ pass "f" ] ] ]

let private namesIn suite =
    only suite tree
    |> Option.map (Test.toTestCodeList >> List.map (fun t -> List.last t.name))

[<Tests>]
let tests =
    testList
        "Suites"
        [ test "the fast suite leaves out every list that is marked as long" {
              Expect.equal (namesIn Fast) (Some [ "a"; "d" ]) "the rest"
          }
          test "the long suite has all that is under such a list, however deep" {
              Expect.equal (namesIn Long) (Some [ "b"; "c"; "e"; "f" ]) "the marked ones"
          }
          test "sequenced tests stay sequenced" {
              let kept = only Long tree |> Option.get |> Test.toTestCodeList
              let inParallel = kept |> List.filter (fun t -> t.sequenced = InParallel)
              Expect.equal (inParallel |> List.map (fun t -> List.last t.name)) [ "f" ] "f alone was not"
          }
          test "a listed test is a line of its name, without times and colours" {
              let program =
                  System.IO.Path.Combine(System.AppContext.BaseDirectory, "CnnCluster.Tests.dll")

              let info =
                  System.Diagnostics.ProcessStartInfo(
                      "dotnet",
                      [ program; "--list-tests"; "--filter-test-list"; "Suites" ],
                      RedirectStandardOutput = true
                  )

              use listing = System.Diagnostics.Process.Start info
              let names = listing.StandardOutput.ReadToEnd().Split('\n')
              listing.WaitForExit()
              Expect.equal (listing.ExitCode, Array.last names) (0, "") "to its end"
              Expect.contains names "Suites.a suite of nothing is nothing" "a line"
              Expect.all (Array.truncate (names.Length - 1) names) _.StartsWith("Suites.") "of the list alone"
          }
          test "no two tests of either suite have one name" {
              Expect.equal (repeatedNames (testList "all" [ pass "a"; pass "b"; pass "a" ])) [ "all.a" ] "a name twice"
              let all = Impl.testFromThisAssembly () |> Option.get
              Expect.isEmpty (repeatedNames all) "of the whole assembly"
          }
          test "a suite of nothing is nothing" {
              Expect.isNone (only Long (testList "quick" [ pass "a" ])) "no long list"
          } ]
