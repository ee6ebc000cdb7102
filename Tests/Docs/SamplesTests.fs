/// Keeps the code that the documentation shows the same as code that is compiled and tested.
module CnnCluster.Tests.Docs.SamplesTests

open System
open System.Diagnostics
open System.IO
open Expecto
open CnnCluster.Tests
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Docs

let private pages = [ "docs/from-code.md"; "docs/own-layers.md" ]

let private sources =
    [ "examples/embedded.fsx"
      "Tests/Samples/SqueezeExcite.fs"
      "Tests/Samples/OwnSteps.fs"
      "Tests/Samples.CSharp/Consistency.cs"
      "Tests/Samples.CSharp/Adversarial.cs"
      "Tests/Samples.CSharp/PerSampleClipping.cs"
      "Tests/Samples.CSharp/Centralised.cs"
      "Tests/Trainer/Training/OwnStepTests.fs"
      "Tests/Samples.CSharp/LayerScale.cs"
      "Tests/Samples.CSharp/Scripts.cs"
      "Tests/Dsl/OwnLayerTests.fs"
      "Tests/Trainer/Hosting/TrainingRunTests.fs" ]
    |> List.map (fun path -> File.ReadAllText(Repository.file path))

/// A whole program, which the long suite compiles and runs.
let private isProgram (text: string) = text.StartsWith "using CnnCluster."

/// A whole script, which the long suite runs.
let private isScript (text: string) = text.StartsWith "#I "

let private blocks page =
    [ for language, line, text in Markdown.blocks (Markdown.lines page) do
          if
              (language = "fsharp" || language = "csharp")
              && not (isProgram text || isScript text)
          then
              line, text ]

[<Tests>]
let tests =
    testList
        "Docs.samples"
        [ for page in pages do
              test $"the code of {page} is compiled and tested" {
                  let shown = blocks page
                  Expect.isNonEmpty shown "it shows code"

                  for line, text in shown do
                      Expect.exists sources _.Contains(text) $"the block at line {line}:\n{text}"
              } ]

let private dotnet folder (arguments: string list) =
    let info =
        ProcessStartInfo(
            "dotnet",
            arguments,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use started = Process.Start info
    Cnn.finish (TimeSpan.FromMinutes 5.0) started

/// The page's only block of a kind.
let private only isMeant =
    [ for language, _, text in Markdown.blocks (Markdown.lines "docs/from-code.md") do
          if isMeant language text then text ]
    |> List.exactlyOne

[<Tests>]
let programs =
    testList
        "Docs.programs (long)"
        [ test "the page's project outside the checkout builds without a warning and trains its network" {
              Cnn.inFolder (fun folder ->
                  let project = only (fun language _ -> language = "xml")
                  let checkout = Repository.root
                  File.WriteAllText(Path.Combine(folder, "Own.csproj"), project.Replace("../CnnCluster", checkout))
                  File.WriteAllText(Path.Combine(folder, "Program.cs"), only (fun _ text -> isProgram text))

                  let built =
                      dotnet folder [ "build"; "-c"; "Release"; "-v"; "quiet"; "--nologo"; "-warnaserror" ]

                  Expect.equal built.ExitCode 0 built.Output
                  let ran = dotnet folder [ "bin/Release/net10.0/Own.dll" ]
                  Expect.equal (ran.ExitCode, ran.Error) (0, "") "it runs"
                  Expect.stringContains ran.Output "Epochs after 40 steps" "what the program prints")
          }
          test "the page's F# script outside the checkout trains its network" {
              Cnn.inFolder (fun folder ->
                  let script = only (fun _ text -> isScript text)

                  let file =
                      Cnn.write folder "digits.fsx" (script.Replace("../CnnCluster", Repository.root))

                  let ran = dotnet folder [ "fsi"; file ]
                  Expect.equal (ran.ExitCode, ran.Error) (0, "") "it runs"
                  Expect.stringContains ran.Output "Epochs after 40 steps" "what the script prints")
          } ]

[<Tests>]
let scripts =
    testList
        "Docs.samples (long)"
        [ test "examples/embedded.fsx checks, prints and describes LeNet-5" {
              Cnn.inFolder (fun folder ->
                  let info =
                      ProcessStartInfo(
                          "dotnet",
                          [ "fsi"; "--nologo"; Repository.file "examples/embedded.fsx" ],
                          WorkingDirectory = folder,
                          RedirectStandardOutput = true,
                          RedirectStandardError = true
                      )

                  use fsi = Process.Start info
                  let result = Cnn.finish (TimeSpan.FromMinutes 2.0) fsi
                  Expect.equal (result.ExitCode, result.Error) (0, "") "it runs"
                  Expect.stringContains result.Output "    conv 6 5x5 pad=same relu\n" "the canonical script"
                  Expect.stringContains result.Output "61706 parameters" "the description")
          } ]
