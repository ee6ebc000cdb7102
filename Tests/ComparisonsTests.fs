module CnnCluster.Tests.ComparisonsTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Tests.Comparisons

let private opened = "open CnnCluster.Tests.Comparisons"

[<Tests>]
let tests =
    testList
        "Comparisons"
        [ for name, compare, a, b in
              [ "less than", Expect.isLessThan, 1.0, 2.0
                "less than or equal to", Expect.isLessThanOrEqual, 2.0, 2.0
                "greater than", Expect.isGreaterThan, 2.0, 1.0
                "greater than or equal to", Expect.isGreaterThanOrEqual, 2.0, 2.0 ] do
              test $"what is {name} another passes, and neither the reverse nor NaN does" {
                  let fails a b =
                      try
                          compare a b "compared"
                          false
                      with :? AssertException ->
                          true

                  Expect.equal
                      [ fails a b; fails b a; fails nan b; fails a nan; fails nan nan ]
                      [ false; a <> b; true; true; true ]
                      "which fail"
              }
          test "the greatest of numbers one of which is none is none" {
              Expect.isTrue (System.Double.IsNaN(greatest [ 1.0; nan; 2.0 ])) "as no bound holds for it"
              Expect.equal (greatest [ 1.0; 3.0; 2.0 ]) 3.0 "of numbers"
          }
          test "every test that compares does so with these" {
              let compares = Regex @"Expect\.is(Less|Greater)Than"
              let tests = Repository.file "Tests"

              let without =
                  [ for file in Directory.GetFiles(tests, "*.fs", SearchOption.AllDirectories) do
                        let text = File.ReadAllText file

                        if compares.IsMatch text && not (text.Contains opened) then
                            Path.GetRelativePath(tests, file) ]

              Expect.equal without [] "files that do not open them"
          } ]
