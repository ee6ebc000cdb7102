/// What torchvision's networks compute, as `References/torchvision_references.py` recorded it.
module CnnCluster.Tests.Examples.TorchvisionReferences

open System.IO
open System.Text.Json
open CnnCluster.Tests

/// A few numbers of an output: of each sample the first elements, the mean and the L2 norm.
type Summary =
    { Shape: int64 list
      First: float[][]
      Mean: float[]
      Norm: float[] }

type Reference =
    {
        Parameters: int64
        /// Height and width of the input; empty if nothing was computed.
        Input: int list
        /// By the names of torchvision's modules.
        Points: Map<string, Summary>
        Output: Summary option
    }

let private numbers (element: JsonElement) =
    [| for number in element.EnumerateArray() -> number.GetDouble() |]

let private summary (element: JsonElement) =
    { Shape = [ for side in element.GetProperty("shape").EnumerateArray() -> side.GetInt64() ]
      First = [| for row in element.GetProperty("first").EnumerateArray() -> numbers row |]
      Mean = numbers (element.GetProperty "mean")
      Norm = numbers (element.GetProperty "norm") }

let private tryProperty (name: string) (element: JsonElement) =
    match element.TryGetProperty name with
    | true, value -> Some value
    | _ -> None

let private reference (element: JsonElement) =
    { Parameters = element.GetProperty("parameters").GetInt64()
      Input =
        [ for side in tryProperty "input" element |> Option.toList |> Seq.collect _.EnumerateArray() -> side.GetInt32() ]
      Points =
        Map
            [ for point in tryProperty "points" element |> Option.toList |> Seq.collect _.EnumerateObject() ->
                  point.Name, summary point.Value ]
      Output = tryProperty "output" element |> Option.map summary }

let private file =
    lazy
        (use document =
            JsonDocument.Parse(File.ReadAllText(Repository.file "Tests/References/torchvision.json"))

         let root = document.RootElement

         root.GetProperty("batch").GetInt32(),
         Map [ for network in root.GetProperty("networks").EnumerateObject() -> network.Name, reference network.Value ])

/// How many samples the inputs hold.
let batch () = fst (file.Force())

let networks () = snd (file.Force())
