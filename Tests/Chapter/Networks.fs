/// Small networks whose numbers can be followed by hand.
module CnnCluster.Tests.Chapter.Networks

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.LayerReferences

/// One sample of one channel, rows from above.
let image (rows: float list list) =
    torch
        .tensor(rows |> List.concat |> Array.ofList, dtype = torch.float64)
        .reshape(1L, 1L, int64 rows.Length, int64 rows.Head.Length)

/// A value's numbers, in the order channel, row, column.
let numbers (value: torch.Tensor) = List.ofArray (values value)

/// The last two axes of a value, row by row, and all in front of them one after the other.
let rows (value: torch.Tensor) =
    numbers value |> List.chunkBySize (int (value.size (-1)))

/// What a network without weights, or with its first ones, makes of a sample.
let outputOf body (sample: torch.Tensor) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let network, _ = Networks.networkOf (Networks.planOf body) 1UL
    network.forward(sample).MoveToOuterDisposeScope()

let described body =
    Description.ofPlan (Networks.planOf body)
