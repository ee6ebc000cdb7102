/// Numbers that libtorch reads must be kept alive (see `Scalars`): which calls make some that are not is read from
/// TorchSharp's compiled code, and whether we make such calls from our own.
module CnnCluster.Tests.Kernels.ScalarsTests

open System
open System.Collections.Generic
open Expecto
open Mono.Cecil
open TorchSharp
open CnnCluster.Kernels

let private resolver =
    let resolver = new DefaultAssemblyResolver()
    resolver.AddSearchDirectory AppContext.BaseDirectory
    resolver

let private moduleOf (aType: Type) =
    ModuleDefinition.ReadModule(aType.Assembly.Location, ReaderParameters(AssemblyResolver = resolver))

let private methodsOf (code: ModuleDefinition) =
    [ for aType in code.GetTypes() do
          for method in aType.Methods do
              if method.HasBody then method ]

/// The methods of TorchSharp that a method calls or takes the address of.
let private calledBy (method: MethodDefinition) =
    [ for instruction in method.Body.Instructions do
          match instruction.Operand with
          | :? MethodReference as called when called.DeclaringType.FullName.StartsWith "TorchSharp." ->
              match called.Resolve() with
              | null -> ()
              | found -> found.FullName
          | _ -> () ]
    |> List.distinct

/// Whether it makes a native number of one of .NET: `2.ToScalar()`, or the conversion that the compiler writes.
let private makesScalar (name: string) =
    name.StartsWith "TorchSharp.Scalar "
    && (name.Contains "Scalar::op_Implicit(" || name.Contains "::ToScalar(")
    || name.StartsWith "System.Void TorchSharp.Scalar::.ctor("

/// The names of TorchSharp's methods that make a number somewhere below, and so leave it to the garbage collector.
let private careless =
    lazy
        (let calls =
            [ for method in methodsOf (moduleOf typeof<torch.Tensor>) do
                  if method.DeclaringType.Name <> "Scalar" && not (makesScalar method.FullName) then
                      method.FullName, calledBy method ]

         let found = HashSet<string>()

         let isNew (name, called) =
             not (found.Contains name)
             && called |> List.exists (fun one -> makesScalar one || found.Contains one)

         let rec grow () =
             let more = calls |> List.filter isNew |> List.map fst

             if not more.IsEmpty then
                 found.UnionWith more
                 grow ()

         grow ()
         found)

/// Where code of ours calls them: `type::method: what is called`.
let private callsIn (code: ModuleDefinition) ofType =
    [ for method in methodsOf code do
          if ofType method.DeclaringType.FullName then
              for called in calledBy method do
                  if makesScalar called || careless.Value.Contains called then
                      $"{method.DeclaringType.FullName}::{method.Name}: {called}" ]

/// Where a number is made and kept until libtorch has read it: in the table, or by `use`.
let private kept =
    [ "CnnCluster.Kernels.Scalars/"
      "CnnCluster.Kernels.Collectives.Collective::Mean:"
      "CnnCluster.Bench.Kernels.ScalarBench::Made"
      "CnnCluster.Samples.PerSampleClipping::Backward: TorchSharp.Scalar TorchSharp.ScalarExtensionMethods::ToScalar("
      "CnnCluster.Samples.OwnSteps/PerSampleClipping::Backward: TorchSharp.Scalar TorchSharp.ScalarExtensionMethods::ToScalar(" ]

let private isKept (call: string) = kept |> List.exists call.StartsWith

/// What the scan must find.
let private twice (x: torch.Tensor) = x + x

[<Tests>]
let tests =
    testList
        "Kernels.Scalars"
        [ test "no number that libtorch reads is left to the garbage collector" {
              let calls =
                  [ for aType in
                        [ typeof<Scalars>
                          typeof<CnnCluster.Dsl.Activation>
                          typeof<CnnCluster.Trainer.Training.OwnStep>
                          typeof<CnnCluster.Samples.Consistency>
                          typeof<CnnCluster.Bench.Kernels.ScalarBench> ] do
                        yield! callsIn (moduleOf aType) (fun _ -> true)
                    // A test whose number is freed fails once in many runs, for nothing that it tests.
                    yield!
                        callsIn (moduleOf typeof<CnnCluster.Samples.OwnSteps.Adversarial>) (fun aType ->
                            not (aType.StartsWith "CnnCluster.Tests.Kernels.ScalarsTests")) ]

              Expect.equal (List.filter (isKept >> not) calls) [] "calls that TensorMath or Scalars.Of should make"

              for place in kept do
                  Expect.exists calls _.StartsWith(place) $"{place} is still there"
          }

          test "the scan knows a sum, a square and a product with a number, and no difference" {
              let takes = "TorchSharp.torch/Tensor TorchSharp.torch/Tensor::"

              for made in
                  [ "op_Addition(TorchSharp.torch/Tensor,TorchSharp.torch/Tensor)"
                    "square()"
                    "op_Multiply(TorchSharp.torch/Tensor,System.Double)"
                    "softplus(System.Double,System.Double)" ] do
                  Expect.isTrue (careless.Value.Contains(takes + made)) made

              for none in
                  [ "op_Subtraction(TorchSharp.torch/Tensor,TorchSharp.torch/Tensor)"
                    "pow(TorchSharp.Scalar)"
                    "add(TorchSharp.torch/Tensor,TorchSharp.Scalar)" ] do
                  Expect.isFalse (careless.Value.Contains(takes + none)) none
          }

          test "the scan finds a sum in compiled F#" {
              use two = torch.tensor 2.0
              use four = twice two
              Expect.equal (four.item<float>()) 4.0 "it is compiled and runs"
              let here = moduleOf typeof<CnnCluster.Samples.OwnSteps.Adversarial>

              Expect.exists
                  (callsIn here _.EndsWith("Kernels.ScalarsTests"))
                  _.StartsWith("CnnCluster.Tests.Kernels.ScalarsTests::twice:")
                  "the sum of two tensors"
          } ]

[<Tests>]
let sums =
    testList
        "Kernels.TensorMath"
        [ test "gives the bits that the operators give" {
              use _ = torch.NewDisposeScope()
              let a = torch.linspace (-3.0, 3.0, 37L, dtype = torch.float32)
              let b = torch.linspace (0.1, 7.0, 37L, dtype = torch.float32)

              for name, ours, theirs in
                  [ "a + b", a.Plus b, a + b
                    "a + 0.3", a.Plus 0.3, a + 0.3.ToScalar()
                    "0.3 - a", a.SubtractedFrom 0.3, 0.3.ToScalar() - a
                    "a²", a.Squared(), a.square () ] do
                  Expect.equal (ours.data<float32>().ToArray()) (theirs.data<float32>().ToArray()) name
          } ]
