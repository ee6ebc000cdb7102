/// Pooling to a size that the script says, whatever the input's: its windows share the input out as evenly as can be.
module internal CnnCluster.Dsl.Layers.AdaptivePooling

open TorchSharp
open CnnCluster.Dsl

/// Output i of o sees the elements ⌊i·n/o⌋ … ⌈(i + 1)·n/o⌉ − 1 of n: the most that one of them sees.
let private widest (n: int64) (o: int64) =
    if n % o = 0L then
        n / o
    else
        seq { 0L .. o - 1L }
        |> Seq.map (fun i -> ((i + 1L) * n + o - 1L) / o - i * n / o)
        |> Seq.max

let private fieldOf (site: LayerSite) (size: int list) =
    if site.Input.Sides |> List.forall Option.isSome then
        let sides = site.Input.Sides |> List.map Option.get
        let seen = List.map2 (fun n o -> int (widest (int64 n) (int64 o))) sides size
        let step = List.map2 (fun n o -> float n / float o) sides size
        site.Field |> ReceptiveField.resample seen step
    else
        Whole

let private average (size: int64[]) =
    if size |> Array.forall (fun side -> side = 1L) then
        let mean = GlobalPooling.mean ()

        let given = Window.OfShape(fun shape -> Array.append shape size)

        fun (x: torch.Tensor) ->
            let mean = mean x
            mean.reshape (given.For mean)
    elif size.Length = 3 then
        fun x -> torch.nn.functional.adaptive_avg_pool3d (x, size)
    else
        fun x -> torch.nn.functional.adaptive_avg_pool2d (x, size)

/// Of three sides first the last two, then the first: TorchSharp's own for three sides calls that for one.
let private greatest (size: int64[]) =
    match size with
    | [| depth; height; width |] ->
        let slices =
            Window.OfShape(fun shape -> [| shape[0]; shape[1] * shape[2]; shape[3]; shape[4] |])

        let rows =
            Window.OfShape(fun shape -> [| shape[0]; shape[1]; shape[2]; height * width |])

        let pooled =
            Window.OfShape(fun shape -> [| shape[0]; shape[1]; depth; height; width |])

        let ofSlice, ofRow = [| height; width |], [| depth; height * width |]

        fun (x: torch.Tensor) ->
            let each =
                torch.nn.functional.adaptive_max_pool2d (x.reshape (slices.For x), ofSlice)
            // (N, C, slices, pixels): the sides of x stand for those of what each slice gave.
            torch.nn.functional.adaptive_max_pool2d(each.reshape (rows.For x), ofRow).reshape(pooled.For x)
    | _ -> fun x -> torch.nn.functional.adaptive_max_pool2d (x, size)

let private plan effect operation (site: LayerSite) =
    let size = site.Arguments.Size("size", site.Input.Rank)

    Sides.fitting site.Input [ "size", size.Length ] (fun () ->
        let output =
            { site.Input with
                Sides = List.map Some size }

        let pool: torch.Tensor -> torch.Tensor = operation (Window.imageAxes size)

        let forward (call: LayerCall) =
            Window.onImage size.Length call.Input pool

        Ok(LayerPlan.stateless output (fieldOf site size) forward |> effect))

let private definition name summary formula notes effect operation =
    { Name = name
      Help =
        { LayerHelp.create
              summary
              "the sides are size, whatever the input's, open ones too"
              $"input 13x17x64; {name} 6x6; flatten; dense 10" with
            Formula = formula
            Source = "PyTorch's window bounds"
            Notes = notes }
      Arguments = [ Arguments.required "size" (SizeOf 1) "The output's sides: one number, or one for each axis." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan effect operation }

let private windows = "i·n/size rounded down, up to (i + 1)·n/size rounded up"

let adaptiveAverage =
    definition
        "adaptiveavgpool"
        "The mean of each of size windows that share the input out, channel by channel."
        $"y[i] is the mean of x from {windows}"
        [ "Windows overlap where size does not divide the input's side; where size is greater than it, elements are repeated." ]
        LayerPlan.averaging
        average

let adaptiveMaximum =
    definition
        "adaptivemaxpool"
        "The greatest element of each of size windows that share the input out, channel by channel."
        $"y[i] is the greatest of x from {windows}"
        [ "Windows overlap where size does not divide the input's side; where size is greater than it, elements are repeated."
          "Of several greatest elements the first gets the gradient." ]
        LayerPlan.keeping
        greatest
