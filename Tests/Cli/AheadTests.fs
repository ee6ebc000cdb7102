/// What of the program is compiled before it runs.
module CnnCluster.Tests.Cli.AheadTests

open System
open System.IO
open System.Reflection.PortableExecutable
open System.Runtime.InteropServices
open System.Xml.Linq
open Expecto
open CnnCluster.Tests

/// Code for the machine lies where the header of the common language runtime says (ECMA-335, II.25.3.3).
let private isCompiled name =
    use reader = new PEReader(File.OpenRead(Path.Combine(Cnn.home, $"{name}.dll")))
    reader.PEHeaders.CorHeader.ManagedNativeHeaderDirectory.Size > 0

let private named =
    [ for item in XDocument.Load(Repository.file "Cli/Cli.csproj").Descendants "CompiledAhead" do
          yield! (item.Attribute "Include").Value.Split ';' ]

let private compiles =
    OperatingSystem.IsLinux()
    && RuntimeInformation.OSArchitecture = Architecture.X64

[<Tests>]
let tests =
    testList
        "Cli.ahead"
        [ test "what a run executes once is compiled by the build, on Linux for x64" {
              Expect.contains named "CnnCluster.Trainer.Actors" "what a run does"

              for name in named do
                  Expect.equal (isCompiled name) compiles name
          }
          test "kernels are left to be compiled for the vectors of the machine that runs them" {
              for name in [ "CnnCluster.Kernels"; "System.Numerics.Tensors" ] do
                  Expect.isFalse (isCompiled name) name
          } ]
