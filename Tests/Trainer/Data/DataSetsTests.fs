module CnnCluster.Tests.Trainer.Data.DataSetsTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open CnnCluster.Kernels
open CnnCluster.Trainer.Data

let private noSettings = SettingValues(Dictionary())

let private definition name =
    DataSets.All |> Seq.find (fun set -> set.Name = name)

[<Tests>]
let tests =
    testList
        "Trainer.Data.DataSets"
        [ for name, first in
              [ "mnist", [ 5; 0; 4; 1; 9; 2; 1; 3; 1; 4 ]; "fashion-mnist", [ 9; 0; 0; 3; 0; 2; 7; 2; 5; 5 ] ] do
              test $"the published files of {name} are read" {
                  match CnnCluster.Tests.Repository.dataSets with
                  | None -> printfn $"not run: the files of {name} are not at hand (set CNN_DATA)"
                  | Some folder ->
                      let set = (definition name).Load.Invoke(DataRequest(folder, noSettings))
                      Expect.equal (set.Train.Count, set.Validation.Count) (60_000, 10_000) "items"
                      Expect.equal set.Train.Pixels.Length (60_000 * 28 * 28) "pixels"
                      Expect.equal (set.Train.Labels[..9] |> Seq.map int |> List.ofSeq) first "the first ten labels"
              }
          test "digits takes its sizes and its seed from its settings" {
              let settings = SettingValues(Map [ "train", 30.0; "test", 20.0; "seed", 4.0 ])
              let set = (definition "digits").Load.Invoke(DataRequest(null, settings))
              Expect.equal (set.Train.Count, set.Validation.Count) (30, 20) "sizes"
              Expect.equal set.Train.Pixels (Digits.DigitSet.Generate(30, 20, 4uL)).Train.Pixels "seed 4"
          }
          test "a folder given for digits is an error rather than ignored" {
              let load () =
                  (definition "digits").Load.Invoke(DataRequest("some/folder", noSettings))
                  |> ignore

              Expect.throwsT<CnnCluster.Trainer.UserException> load "it is drawn, not read"
          } ]
