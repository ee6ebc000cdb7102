/// The collectives that all keep one contract, and the element types they take.
module CnnCluster.Tests.Kernels.Collectives.Implementations

open System
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Collectives
open CnnCluster.Tests.Kernels.Collectives.Ranks

type Implementation =
    { Name: string
      Worlds: int list
      Open: int -> TimeSpan -> ICollective[] }

let solo =
    { Name = "solo"
      Worlds = [ 1 ]
      Open = fun _ _ -> [| new SoloCollective() |] }

let joined =
    [ { Name = "in-process"
        Worlds = [ 1..8 ]
        Open = inProcess }
      { Name = "TCP"
        Worlds = [ 1..8 ]
        Open = tcp }
      { Name = "shared memory"
        Worlds = [ 1..8 ]
        Open = sharedMemory }
      { Name = "hosts of threads"
        Worlds = [ 2; 3; 5; 8 ]
        Open = hierarchical }
      { Name = "hosts of shared memory"
        Worlds = [ 2; 3; 5; 8 ]
        Open = sharingHosts } ]

/// Values of many magnitudes, whose sum depends on the order of additions.
let sample rank i =
    sin (float (i * 31 + rank * 17 + 1)) * 10.0 ** float ((i + 3 * rank) % 9 - 4)

/// The documented tree: the greatest power of two below the number of leaves, then the rest, each by the same rule.
let rec treeSum add (leaves: 'a list) =
    match leaves with
    | [ leaf ] -> leaf
    | _ ->
        let half =
            Seq.initInfinite (fun k -> pown 2 k)
            |> Seq.takeWhile (fun p -> p < leaves.Length)
            |> Seq.last

        let first, rest = List.splitAt half leaves
        add (treeSum add first) (treeSum add rest)

type Element =
    { Type: string
      Tensor: float[] -> torch.Tensor
      TreeSum: float[] list -> byte[] }

let bytesOf (tensor: torch.Tensor) = tensor.bytes.ToArray()

let elements =
    let single (values: float[]) = Array.map float32 values

    [ { Type = "float32"
        Tensor = fun values -> torch.tensor (single values)
        TreeSum =
          fun leaves ->
              use sum = torch.tensor (treeSum (Array.map2 (+)) (List.map single leaves))
              bytesOf sum }
      { Type = "float64"
        Tensor = fun values -> torch.tensor values
        TreeSum =
          fun leaves ->
              use sum = torch.tensor (treeSum (Array.map2 (+)) leaves)
              bytesOf sum } ]
