/// Functions of autograd of our own keep what they give TorchSharp alive (see `FunctionTensors`): a collection that comes in
/// between cannot be called for, so what is tested is that each of them says it, in its compiled code.
module CnnCluster.Tests.Kernels.FunctionTensorsTests

open System
open Expecto
open Mono.Cecil
open CnnCluster.Kernels

let private functions =
    let code = ModuleDefinition.ReadModule typeof<Scalars>.Assembly.Location

    [ for aType in code.GetTypes() do
          if
              not (isNull aType.BaseType)
              && aType.BaseType.FullName.StartsWith "TorchSharp.torch/autograd/SingleTensorFunction`1"
          then
              aType ]

let private calls (aType: TypeDefinition) (method: string) =
    [ for found in aType.Methods do
          if found.Name = method then
              for instruction in found.Body.Instructions do
                  match instruction.Operand with
                  | :? MethodReference as called -> called.DeclaringType.Name + "::" + called.Name
                  | _ -> () ]

[<Tests>]
let tests =
    testList
        "Kernels.FunctionTensors"
        [ test "there are functions of our own" {
              Expect.containsAll
                  [ for aType in functions -> aType.Name ]
                  [ "BatchNorm"; "DifferentiableSum"; "GradientMark"; "LaneFunction"; "MaxPool"; "WinogradConvolution" ]
                  "those that are known"
          }
          for aType in functions do
              test $"{aType.Name} keeps its output, its gradients and its input" {
                  Expect.contains (calls aType "forward") "FunctionTensors::Output" "what forward gives"

                  let given = calls aType "backward" |> List.filter ((=) "FunctionTensors::Gradients")
                  Expect.isNonEmpty given "what backward gives"
                  let caller = calls aType "Of"

                  let applied =
                      caller |> List.findIndex _.EndsWith("::apply", StringComparison.Ordinal)

                  Expect.contains caller[applied..] "GC::KeepAlive" "the input, behind the call"
              } ]
