module CnnCluster.Tests.Trainer.Data.DataSetsTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Trainer.Data.IdxReaderTests
open CnnCluster.Tests.Trainer.Storage.TemporaryFolder
open CnnCluster.Trainer.Data

let private noSettings = SettingValues(Dictionary())

let private sizes train test =
    SettingValues(Map [ "train", float train; "test", float test ])

/// The four files, of two images for training and three for validation.
let private writeFew folder =
    for part, count, classes in [ "train", 2, [| 3uy; 4uy |]; "t10k", 3, [| 5uy; 6uy; 7uy |] ] do
        let pixels = Array.init (count * 784) (fun i -> byte (i / 784))
        File.WriteAllBytes(Path.Combine(folder, $"{part}-images-idx3-ubyte"), images count 28 28 pixels)
        File.WriteAllBytes(Path.Combine(folder, $"{part}-labels-idx1-ubyte"), labels count classes)

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
                      let set = (definition name).Load.Invoke(DataRequest(folder, sizes 0 0))
                      Expect.equal (set.Train.Count, set.Validation.Count) (60_000, 10_000) "items"
                      Expect.equal set.Train.Inputs[0].Pixels.Length (60_000 * 28 * 28) "pixels"

                      match set.Train.Targets[0] with
                      | :? TargetValues.Classes as labels ->
                          Expect.equal (labels.Values[..9] |> Seq.map int |> List.ofSeq) first "the first ten labels"
                      | other -> failtest $"{other}"
              }
          test "of a published set the first samples are taken where a size is given, and all where it is 0" {
              inFolder (fun folder ->
                  writeFew folder

                  let load train test =
                      (definition "mnist").Load.Invoke(DataRequest(folder, sizes train test))

                  let counts (set: DataSet) = set.Train.Count, set.Validation.Count
                  Expect.equal (counts (load 0 0)) (2, 3) "all"
                  let some = load 1 2
                  Expect.equal (counts some) (1, 2) "some"

                  match some.Validation.Targets[0] with
                  | :? TargetValues.Classes as classes -> Expect.equal classes.Values [| 5L; 6L |] "the first ones"
                  | other -> failtest $"{other}"

                  Expect.equal some.Validation.Inputs[0].Pixels.Length (2 * 784) "pixels"

                  let failure =
                      Expect.throwsC (fun () -> load 3 0 |> ignore) (fun e -> e :?> CnnCluster.Trainer.UserException)

                  Expect.stringContains failure.Message "train=3 asks for more samples than there are" "too many"
                  Expect.stringContains failure.Message "holds 2" "how many there are")
          }
          test "digits takes its sizes and its seed from its settings" {
              let settings = SettingValues(Map [ "train", 30.0; "test", 20.0; "seed", 4.0 ])
              let set = (definition "digits").Load.Invoke(DataRequest(null, settings))
              Expect.equal (set.Train.Count, set.Validation.Count) (30, 20) "sizes"
              let same = Digits.DigitSet.Generate(30, 20, 4uL)
              Expect.equal set.Train.Inputs[0].Pixels same.Train.Inputs[0].Pixels "seed 4"
          }
          for name in [ "digits"; "digit-pairs" ] do
              test $"a folder given for {name} is an error rather than ignored" {
                  let load () =
                      (definition name).Load.Invoke(DataRequest("some/folder", noSettings)) |> ignore

                  Expect.throwsT<CnnCluster.Trainer.UserException> load "it is drawn, not read"
              }
          for definition in [ definition "digits"; definition "digit-pairs" ] do
              test $"{definition.Name} has the inputs and targets that its definition says" {
                  let settings = SettingValues(Map [ "train", 30.0; "test", 20.0; "seed", 4.0 ])
                  let set = definition.Load.Invoke(DataRequest(null, settings))

                  for part in [ set.Train; set.Validation ] do
                      Expect.equal
                          [ for images in part.Inputs -> images.Shape ]
                          [ for i in definition.Inputs -> SampleShape(i.Channels, i.Height, i.Width) ]
                          "inputs"

                      for images in part.Inputs do
                          Expect.equal images.Pixels.Length (part.Count * images.Shape.Size) "pixels"

                      for values, target in Seq.zip part.Targets definition.Targets do
                          match values, target.Kind with
                          | :? TargetValues.Classes as classes, Classes count ->
                              Expect.equal classes.Values.Length part.Count "a class each"
                              Expect.all classes.Values (fun c -> c >= 0L && c < int64 count) target.Name
                          | :? TargetValues.Numbers as numbers, Numbers width ->
                              Expect.equal
                                  (numbers.Width, numbers.Values.Length)
                                  (width, part.Count * width)
                                  "a row each"

                              Expect.all numbers.Values (fun x -> x >= 0.0f && x <= 1.0f) target.Name
                          | _ -> failtest $"'{target.Name}' is of another kind"
              } ]
