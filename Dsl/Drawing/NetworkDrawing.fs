namespace CnnCluster.Dsl

open CnnCluster.Dsl.Drawing

/// Drawings of networks. They read nothing but the plan, and are the same text for the same plan on every machine.
module NetworkDrawing =
    /// Text for Graphviz. Blocks' uses deeper than `depth` are drawn as one; `depth` is 1 at least.
    let dot (depth: System.Nullable<int>) (plan: NetworkPlan) = Dot.draw (Option.ofNullable depth) plan

    /// An SVG document: labelled volumes for a plain chain of layers whose input has sides, else a graph in layers, from
    /// top to bottom. Blocks' uses deeper than `depth` are drawn as one; `depth` is 1 at least.
    let svg (depth: System.Nullable<int>) (plan: NetworkPlan) =
        let diagram = Nest.ofPlan (Option.ofNullable depth) plan

        if VolumeDrawing.fits diagram.Folding then
            VolumeDrawing.draw diagram
        else
            GraphDrawing.draw diagram
