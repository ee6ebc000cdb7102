/// Enlarging by whole factors, and giving the same elements another shape.
module internal CnnCluster.Dsl.Layers.Resizing

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

/// Each element f times along its axis. libtorch's own takes its source from a product with a rounded 1/f, and is one
/// off for some f.
let private nearest (factors: int list) =
    let ofShape ofAxis =
        OfShape(fun shape ->
            Array.append
                (Array.take 2 shape)
                [| for side, factor in Seq.zip (Array.skip 2 shape) factors do
                       yield! ofAxis side (int64 factor) |])

    let apart = ofShape (fun side _ -> [ side; 1L ])
    let repeated = ofShape (fun side factor -> [ side; factor ])
    let joined = ofShape (fun side factor -> [ side * factor ])

    fun (x: torch.Tensor) -> x.reshape(apart.For x).expand(repeated.For x).reshape(joined.For x)

let private linear (factors: int list) =
    let enlarged =
        OfSides(fun x -> [| for side, factor in Seq.zip (Array.skip 2 x.shape) factors -> side * int64 factor |])

    let mode =
        match factors.Length with
        | 1 -> torch.InterpolationMode.Linear
        | 2 -> torch.InterpolationMode.Bilinear
        | _ -> torch.InterpolationMode.Trilinear

    fun (x: torch.Tensor) ->
        torch.nn.functional.interpolate (x, enlarged.For x, mode = mode, align_corners = System.Nullable false)

let private planUpsample (site: LayerSite) =
    let input, values = site.Input, site.Arguments
    let factors = values.Size("factor", input.Rank)

    Sides.fitting input [ "factor", factors.Length ] (fun () ->
        let sides =
            List.map2 (fun side factor -> side |> Option.map (fun n -> int64 n * int64 factor)) input.Sides factors

        Sides.bounded sides (fun sides ->
            let seen, enlarge, effect =
                if values.Word "mode" = "nearest" then
                    1, nearest, LayerPlan.keeping
                else
                    2, linear, LayerPlan.averaging

            let enlarge: torch.Tensor -> torch.Tensor = enlarge factors
            let seen = factors |> List.map (fun factor -> if factor = 1 then 1 else seen)

            Ok(
                LayerPlan.stateless
                    { input with Sides = sides }
                    (site.Field |> ReceptiveField.enlarge seen factors)
                    (fun call -> enlarge call.Input)
                |> effect
            )))

let upsample =
    { Name = "upsample"
      Help =
        { LayerHelp.create
              "Enlarges by whole factors: each element is repeated, or new ones are interpolated."
              "n·factor"
              "input 7x7x16; upsample 2; conv 8 3 pad=same; upsample 2x3 bilinear" with
            Formula = "nearest: y[i] = x[⌊i/factor⌋]; bilinear: y[i] = x((i + ½)/factor − ½), linear between elements"
            Source = "Keras' UpSampling; PyTorch's interpolate with align_corners false"
            Notes =
                [ "bilinear is linear along each axis, whatever their number. Beyond the first and the last element it takes these." ] }
      Arguments =
        [ Arguments.positional
              "factor"
              (SizeOf 1)
              (SizeValue [ 2 ])
              "How many times each side: one number, or one for each axis."
          Arguments.positional
              "mode"
              (OneOf [ "nearest"; "bilinear" ])
              (WordValue "nearest")
              "Whether elements are repeated or interpolated." ]
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = planUpsample }

// ---- reshape ----

/// As a float: four sides could pass 64 bits, and up to 2⁵³ it is exact.
let private elements (shape: Shape) =
    (float shape.Channels, shape.Sides)
    ||> List.fold (fun product side -> product * float side.Value)

let private dimensions (shape: Shape) =
    int64 shape.Channels :: [ for side in shape.Sides -> int64 side.Value ]

let private planReshape (site: LayerSite) =
    let input, output = site.Input, site.Arguments.Shape "shape"

    if input.Elements.IsNone then
        LayerFault.whole
            $"the input, {Shape.text input}, has open sides: 'reshape' needs to know how many elements there are"
    elif float input.Elements.Value <> elements output then
        let had, wanted = Printer.number (elements input), Printer.number (elements output)

        Result.Error
            { Argument = Some "shape"
              Message =
                $"'reshape' keeps the number of elements: the input, {Shape.text input}, has {had}, but {Shape.text output} has {wanted}"
              Expected = None }
    else
        let given = OfShape(fun shape -> [| shape[0]; yield! dimensions output |])

        let forward (call: LayerCall) =
            call.Input.reshape (given.For call.Input)

        let field = if input = output then site.Field else Whole
        Ok(LayerPlan.stateless output field forward |> LayerPlan.keeping)

let reshape =
    { Name = "reshape"
      Help =
        { LayerHelp.create
              "The same elements in another shape, in the order channel, height, width."
              "shape; as many elements as the input, whose sides must be known"
              "input 100; dense 784 relu; reshape 7x7x16; convtranspose 1 4 stride=4" with
            Notes =
                [ "Elements are counted off as flatten counts them, width fastest, then height, then channels. Keras, with channels last, has the order height, width, channel." ] }
      Arguments = [ Arguments.required "shape" ShapeOf "Sides, then channels, as in 7x7x16; one number for a vector." ]
      Operands = One
      Ranks = [ 0; 1; 2; 3 ]
      Plan = planReshape }
